/** H_res of one connection as a table, with the sums of its rows and columns. Knows no store. */
import { css, gainColour } from '../model/colours.ts';
import { aroundOne, signed, sumsOf } from '../model/connection.ts';
import { currentTheme } from '../state/theme.ts';

/** Of one cell by its value: 0 is neutral, below it the colours of loss, above it those of gain. */
function cellStyle(value: number, dark: boolean) {
  const colour = gainColour(Number.isFinite(value) ? 0.6 * Math.min(1, Math.max(-1, value)) : 1, dark);
  return { backgroundColor: css(colour), color: luminance(...colour) > MIN_LUMINANCE_FOR_BLACK ? '#000000' : '#ffffff' };
}

/** From here on black has more contrast than white (WCAG 2: √(1.05 · 0.05) − 0.05). */
const MIN_LUMINANCE_FOR_BLACK = 0.18;

/** As of WCAG 2. */
function luminance(...channels: number[]): number {
  const [r, g, b] = channels.map((channel) => ((channel / 255 + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** The head of a matrix' table: a column for each stream, with a title where one is given, and one for the row sums. */
export function StreamHeads({ streams, titleOf }: { streams: readonly number[]; titleOf?: (stream: number) => string }) {
  return (
    <thead>
      <tr>
        <th scope="col">stream</th>
        {streams.map((j) => (
          <th scope="col" key={j} title={titleOf?.(j)}>
            {j}
          </th>
        ))}
        <th scope="col">row sum</th>
      </tr>
    </thead>
  );
}

/** `values`: n × n, row-major. */
export function Matrix({ connection, values }: { connection: string; values: readonly number[] }) {
  const n = Math.round(Math.sqrt(values.length));
  const streams = [...Array(n).keys()];
  const { rows, columns } = sumsOf(values, n);
  const { dark } = currentTheme();
  return (
    <div class="cn-matrix">
      <table class={n > 4 ? 'cn-many' : ''}>
        <caption>
          H<sub>res</sub> of {connection}: the row receives from the column; mean over the sampled tokens
        </caption>
        <StreamHeads streams={streams} />
        <tbody>
          {streams.map((i) => (
            <tr key={i}>
              <th scope="row">{i}</th>
              {streams.map((j) => (
                <td key={j} style={cellStyle(values[i * n + j], dark)}>
                  {signed(values[i * n + j], n > 4 ? 2 : 3)}
                </td>
              ))}
              <td class="cn-sum">{aroundOne(rows[i])}</td>
            </tr>
          ))}
        </tbody>
        <tfoot>
          <tr>
            <th scope="row">column sum</th>
            {columns.map((sum, j) => (
              <td class="cn-sum" key={j}>
                {aroundOne(sum)}
              </td>
            ))}
            <td />
          </tr>
        </tfoot>
      </table>
    </div>
  );
}
