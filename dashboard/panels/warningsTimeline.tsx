/** The timeline: a bar for each warning from its step to its end, in lanes by rule. The list below holds the same in words. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { WarningAnswer } from '../../src/telemetry/api.ts';
import { count } from '../model/format.ts';
import { signOf } from '../model/signs.ts';
import { type StepAxis, stepPixel, stepTicks } from '../model/ticks.ts';
import { type Bar, barsOf } from '../model/timeline.ts';
import { cursor } from '../state/cursor.ts';
import { SignShape } from './sign.tsx';

/** Heights of a lane, of the axis below and of a sign, px. */
const LANE = 18;
const AXIS = 18;
const SIGN = 14;
/** Width of the names of the rules, beside the bars where the whole is at least as wide, px. */
const NAMES = 130;
const MIN_WIDTH_FOR_NAMES = 520;

interface Props {
  warnings: readonly WarningAnswer[];
  from: number;
  to: number;
  lastStep: number;
  selected: number | null;
  onSelect: (id: number) => void;
}

function Mark({ bar, chosen, top, onSelect }: { bar: Bar; chosen: boolean; top: number; onSelect: Props['onSelect'] }) {
  const { warning, x, width, lane } = bar;
  const kind = signOf(warning.severity);
  const y = top + lane * LANE;
  const known = warning.acknowledgedTime == null ? '' : ' known';
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the list has the same as buttons
    <g class={`bar is-${kind}${chosen ? ' chosen' : ''}${known}`} onClick={() => onSelect(warning.id)}>
      <title>{`${warning.severity}, step ${warning.step}: ${warning.message}`}</title>
      <rect x={x} y={y + 2} width={width} height={LANE - 4} rx="3" />
      <g transform={`translate(${x} ${y + 2}) scale(${SIGN / 16})`}>
        <SignShape kind={kind} />
      </g>
    </g>
  );
}

/** Follows the cursor of the charts without drawing the bars again. */
function Hair({ axis, left, height }: { axis: StepAxis; left: number; height: number }) {
  const step = cursor.value;
  if (step === null || step < axis.from || step > axis.to) return null;
  const x = left + stepPixel(axis, step);
  return <line class="hair" x1={x} x2={x} y1={0} y2={height} />;
}

export function Timeline({ warnings, from, to, lastStep, selected, onSelect }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const [full, setFull] = useState(0);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setFull(Math.floor(entry.contentRect.width)));
    observer.observe(box.current!);
    return () => observer.disconnect();
  }, []);
  const narrow = full < MIN_WIDTH_FOR_NAMES;
  const left = narrow ? 0 : NAMES;
  const axis = { from, to, width: Math.max(1, full - left) };
  const { rows, bars, lanes } = barsOf(warnings, axis, lastStep);
  // Where it is narrow, the name of a rule stands in a lane of its own above its bars.
  const rowTop = (r: number) => (narrow ? (r + 1) * LANE : 0);
  const bottom = lanes * LANE + (narrow ? rows.length * LANE : 0);
  const rowOf = (bar: Bar) => rows.findIndex(({ firstLane, lanes: own }) => bar.lane >= firstLane && bar.lane < firstLane + own);
  const label = `Timeline of ${count(bars.length, 'warning')} from step ${from} to ${to}, by rule: ${rows.map(({ rule }) => rule).join(', ')}. The list below has them.`;
  return (
    <div class="timeline" ref={box}>
      {full === 0 ? null : (
        <svg width={full} height={bottom + AXIS} role="img" aria-label={label}>
          {stepTicks({ min: from, max: to }, Math.max(2, axis.width / 110)).map((tick) => {
            const x = left + stepPixel(axis, tick);
            const anchor = x > full - 24 ? 'end' : x < left + 24 ? 'start' : 'middle';
            return (
              <g key={tick} class="tick">
                <line x1={x} x2={x} y1={0} y2={bottom} />
                <text x={x} y={bottom + AXIS - 5} text-anchor={anchor}>
                  {tick}
                </text>
              </g>
            );
          })}
          {rows.map(({ rule, firstLane }, r) => (
            <text
              key={rule}
              class="rule"
              x={narrow ? 0 : left - 8}
              y={firstLane * LANE + (narrow ? r * LANE : 0) + 13}
              text-anchor={narrow ? 'start' : 'end'}
            >
              {rule}
            </text>
          ))}
          <g transform={`translate(${left} 0)`}>
            {bars.map((bar) => (
              <Mark key={bar.warning.id} bar={bar} chosen={bar.warning.id === selected} top={rowTop(rowOf(bar))} onSelect={onSelect} />
            ))}
          </g>
          <Hair axis={axis} left={left} height={bottom} />
        </svg>
      )}
    </div>
  );
}
