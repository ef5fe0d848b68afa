/** The row of values below a chart: of each line at the cursor, else the newest. Also its legend. */
import { shown } from '../model/format.ts';
import { type Line, pointAt } from '../model/lines.ts';
import { timeLabel } from '../model/ticks.ts';
import { cursor } from '../state/cursor.ts';

interface Props {
  lines: readonly Line[];
  /** Ids of the lines whose entry is a button. */
  pickable: ReadonlySet<string>;
  picked: readonly string[];
  onPick: (id: string) => void;
}

const rangeAt = ({ low, high }: Line, at: number): string | undefined =>
  at < 0 || low === undefined || high === undefined ? undefined : `${shown(low[at], 3)} … ${shown(high[at], 3)}`;

function textAt(line: Line, at: number): string {
  if (at < 0) return '–';
  return (line.band ? rangeAt(line, at) : undefined) ?? shown(line.y[at]);
}

export function Values({ lines, pickable, picked, onPick }: Props) {
  const step = cursor.value;
  // Not every step has a value of each.
  const newest = ({ band, high, y }: Line) => ((band ? high : y) ?? []).findLastIndex((value) => value !== null);
  const [longest] = lines;
  const at = longest === undefined ? -1 : step === null ? newest(longest) : pointAt(longest, step);
  return (
    <ul class="chart-values">
      <li class="chart-at soft">
        <span>
          {step === null ? 'newest' : 'cursor'}: step {at < 0 ? (step ?? '–') : longest.steps[at]}
          {at < 0 ? '' : `, ${timeLabel(longest.times[at])}`}
        </span>
      </li>
      {lines.map((line) => {
        const here = step === null ? newest(line) : pointAt(line, step);
        const entry = (
          <>
            <i class={`chart-swatch${line.band ? ' band' : ''}${line.dashed ? ' dashed' : ''}`} style={{ color: line.colour }} />
            {line.label} <b>{textAt(line, here)}</b>
          </>
        );
        return (
          <li key={line.id} title={rangeAt(line, here)}>
            {pickable.has(line.id) ? (
              <button type="button" aria-pressed={picked.includes(line.id)} onClick={() => onPick(line.id)}>
                {entry}
              </button>
            ) : (
              <span>{entry}</span>
            )}
          </li>
        );
      })}
    </ul>
  );
}
