/** The heatmap as a table: of each connection the numbers that its row shows. Draws no colours. */
import { ChartTable } from '../charts/scrollTable.tsx';
import type { Band, Bands } from '../model/bands.ts';
import { shown } from '../model/format.ts';
import { largestGain, rowStepsLeft } from '../model/heat.ts';

interface Props {
  title: string;
  bands: Bands;
  /** Those that are drawn, in this order. */
  rows: readonly Band[];
  /** Gain that steps are left to; Infinity: none. */
  limit: number;
  onOpen(connection: string): void;
}

const leftText = (left: number): string => (Number.isFinite(left) ? String(Math.ceil(left)) : 'none near');

export function HeatTable({ title, bands, rows, limit, onOpen }: Props) {
  const caption = `${title}, steps ${bands.steps[0] ?? '–'} to ${bands.steps.at(-1) ?? '–'}`;
  const left = Number.isFinite(limit) ? `steps left to ${limit}` : 'steps left (no limit)';
  return (
    <ChartTable id="heatmap" title={title} caption={caption} heads={['connection', 'newest gain', 'largest gain', left]}>
      {rows.map((row) => (
        <tr key={row.connection}>
          <th scope="row">
            <button type="button" onClick={() => onOpen(row.connection)}>
              {row.connection}
            </button>
          </th>
          <td>{shown(row.max.at(-1))}</td>
          <td>{shown(row.max.length === 0 ? null : largestGain(row))}</td>
          <td>{leftText(rowStepsLeft(bands, row, limit))}</td>
        </tr>
      ))}
    </ChartTable>
  );
}
