/** H_res of a connection with many streams: colours without numbers, which a pointer reads out, and the sums of rows and columns. */
import { css, gainColour } from '../model/colours.ts';
import { aroundOne, largestEntry, rangeText, signed, sumsOf } from '../model/connection.ts';
import { currentTheme } from '../state/theme.ts';
import { StreamHeads } from './matrix.tsx';

/** `values`: n × n, row-major. The colours reach to the largest entry, as all are small where many streams mix evenly. */
export function WideMatrix({ connection, values }: { connection: string; values: readonly number[] }) {
  const n = Math.round(Math.sqrt(values.length));
  const streams = [...Array(n).keys()];
  const { rows, columns } = sumsOf(values, n);
  const { dark } = currentTheme();
  const most = largestEntry(values);
  const colourOf = (value: number) => css(gainColour(Number.isFinite(value) ? (most === 0 ? 0 : value / most) : 1, dark));
  return (
    <div class="cn-matrix">
      <table class="cn-wide">
        <caption>
          H<sub>res</sub> of {connection}: the row receives from the column; mean over the sampled tokens. Colours from {signed(-most, 3)}{' '}
          to {signed(most, 3)}; row sums {rangeText(rows)}, column sums {rangeText(columns)}
        </caption>
        <StreamHeads streams={streams} titleOf={(j) => `column sum ${aroundOne(columns[j])}`} />
        <tbody>
          {streams.map((i) => (
            <tr key={i}>
              <th scope="row">{i}</th>
              {streams.map((j) => (
                <td
                  key={j}
                  style={{ backgroundColor: colourOf(values[i * n + j]) }}
                  title={`row ${i}, column ${j}: ${signed(values[i * n + j], 4)}`}
                />
              ))}
              <td class="cn-sum">{aroundOne(rows[i])}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
