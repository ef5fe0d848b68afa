/** What the measures did some steps before and after a warning was raised: a small chart for each. The paths are spark.ts. */
import type { WarningAnswer } from '../../src/telemetry/api.ts';
import { MEASURES_SHOWN } from '../model/connection.ts';
import { shown } from '../model/format.ts';
import { sparkOf } from '../model/spark.ts';
import { stepPixel } from '../model/ticks.ts';
import { AROUND } from '../model/view.ts';
import { tick } from '../state/redraw.ts';
import { loadedOf } from '../state/seriesCache.ts';
import type { RunData } from '../state/store.ts';
import { change, view } from '../state/viewState.ts';
import { Choices, Toggle } from './toggle.tsx';

const SIZE = { width: 240, height: 56 };

interface Asked {
  measure: string;
  label: string;
  connection: string | null;
}

const SCALARS: readonly Asked[] = [
  { measure: 'compositeGain', label: 'composite gain G', connection: null },
  { measure: 'loss', label: 'loss', connection: null },
  { measure: 'gradientNorm', label: 'gradient norm', connection: null },
];

/** Where the warning looked at no measure of a connection (but named one): its own gain. */
function askedFor({ measure, connection }: WarningAnswer, { detail }: RunData): readonly Asked[] {
  if (connection === null) return SCALARS;
  const own = detail.measures.some(({ key }) => key === measure) ? measure : 'forwardGain';
  const label = MEASURES_SHOWN.find(([key]) => key === own)?.[1] ?? own;
  return [...SCALARS, { measure: own, label: `${label} of ${connection}`, connection }];
}

interface SmallProps {
  asked: Asked;
  /** At which the warning was raised. */
  step: number;
  from: number;
  to: number;
  known: RunData;
}

function Small({ asked: { measure, connection, label }, step, from, to, known }: SmallProps) {
  // Its own: where no property is another one it would not be drawn again.
  void tick.value;
  const { bands, failed } = loadedOf(known, { kind: 'around', measure, connection, range: { from, to } });
  const spark = bands === null ? null : sparkOf(bands, step, from, to, SIZE);
  const x = stepPixel({ from, to, width: SIZE.width }, step);
  const value = spark?.at == null ? 'not known' : shown(spark.at);
  const ends = spark === null || spark.low > spark.high ? '' : `from ${shown(spark.low, 3)} to ${shown(spark.high, 3)}`;
  const broken = spark === null || spark.broken.length === 0 ? '' : `, NaN or infinite at ${spark.broken.length} points`;
  return (
    <figure>
      <figcaption>
        {label} <b>{value}</b>
      </figcaption>
      {failed !== null || spark === null ? (
        <p class="spark-none soft">{failed ?? (bands === null ? 'Loading …' : 'Nothing is recorded here.')}</p>
      ) : (
        <svg
          viewBox={`0 0 ${SIZE.width} ${SIZE.height}`}
          preserveAspectRatio="none"
          role="img"
          aria-label={`${label}: ${value} at step ${step}; ${ends}${broken}`}
        >
          <line class="raised" x1={x} x2={x} y1={0} y2={SIZE.height} />
          <path class="spark-band" d={spark.band} />
          <path class="spark-line" d={spark.line} />
          {spark.broken.map((at) => (
            <path key={at} class="spark-broken" d={`M${at - 3} 1l6 6m0-6l-6 6`} />
          ))}
        </svg>
      )}
      <small class="soft">
        {ends}
        {spark?.log ? ' (log)' : ''}
        {broken}
      </small>
    </figure>
  );
}

export function Around({ warning, known }: { warning: WarningAnswer; known: RunData }) {
  const { step } = warning;
  const { around } = view.value;
  const [from, to] = [Math.max(0, step - around), step + around];
  return (
    <div class="around">
      <div class="row acts">
        <Choices label="Steps around the warning">
          {AROUND.map((steps) => (
            <Toggle key={steps} pressed={steps === around} onPress={() => change({ around: steps })}>
              ± {steps}
            </Toggle>
          ))}
        </Choices>
        <span>
          steps {from} to {to}; the line is step {step}
        </span>
        <button type="button" onClick={() => change({ from, to, follow: false })}>
          Show in charts
        </button>
      </div>
      <div class="sparks">
        {askedFor(warning, known).map((asked) => (
          <Small key={asked.label} asked={asked} step={step} from={from} to={to} known={known} />
        ))}
      </div>
    </div>
  );
}
