/** The heatmap as a table: of each connection the numbers that its row shows. Draws no colours. */
import { shown } from '../model/format.ts';
import { LIMIT, largestGain, leftOf } from '../model/heat.ts';
import type { Band, Bands } from '../model/series.ts';

interface Props {
  title: string;
  bands: Bands;
  /** Those that are drawn, in this order. */
  rows: readonly Band[];
  onOpen(connection: string): void;
}

const leftText = (left: number): string => (Number.isFinite(left) ? String(Math.ceil(left)) : 'none near');

export function HeatTable({ title, bands, rows, onOpen }: Props) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard
    <section class="chart-table" id="table-heatmap" data-testid="table-heatmap" tabIndex={0} aria-label={`${title}: table`}>
      <table>
        <caption>
          {title}, steps {bands.steps[0] ?? '–'} to {bands.steps.at(-1) ?? '–'}
        </caption>
        <thead>
          <tr>
            <th scope="col">connection</th>
            <th scope="col">newest gain</th>
            <th scope="col">largest gain</th>
            <th scope="col">steps left to {LIMIT}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.connection}>
              <th scope="row">
                <button type="button" onClick={() => onOpen(row.connection)}>
                  {row.connection}
                </button>
              </th>
              <td>{shown(row.max.at(-1))}</td>
              <td>{shown(row.max.length === 0 ? null : largestGain(row))}</td>
              <td>{leftText(leftOf(bands, row))}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
