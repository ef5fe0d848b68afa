/**
 * Collapse of the streams of an mHC model into one: the separation of the composite is forecast to reach 0, or a row or
 * column of one H_res has lost most of its mass.
 */
import type { StepReport } from '../../src/telemetry/report.ts';
import type { RunHeader } from '../../src/telemetry/sample.ts';
import { type Detector, type Finding, finding, type View } from '../detector.ts';
import { isBounded, MIN_SEPARATION, MIN_SUM, MIN_SUM_CLEAR } from '../limits.ts';
import { measureOf, suspectsOf } from '../shared.ts';
import { addRecent, medianOf, type RecentState } from '../smoothing.ts';
import { addToTrend, createTrend, forecast, type TrendState } from '../trend.ts';
import { digits, LAYER, PAIRED, RUN, type RuleEntry, stepsPhrase, type WordsOf } from '../words.ts';

/**
 * How near to the limit the forecast must come, in ln, and how far it must go away again for the warning to end. Chosen on the
 * tuning half of the corpus (test/eval).
 */
const NEAR = 0.8;
const HYSTERESIS = 0.7;
/** Points of the median of the smallest sum. Our choice: a spike of one or two steps does not pass it. */
const MEDIAN_POINTS = 5;
/** Separation below which −ln counts as of this much. Our choice: far below the limit, and finite. */
const MIN_COUNTED_SEPARATION = 1e-3;

export interface CollapseState {
  /** Of −ln(separation), the smallest of all prefix products. */
  trend: TrendState;
  /** The streams have been apart: a model that starts with even mixing has lost nothing, and is no emergency. */
  apart: boolean;
  /** Smallest sums of the last reports. */
  sums: RecentState;
}

export const collapse: Detector<CollapseState> = {
  rule: 'collapse',
  // Our choice: no accident of a few steps, and no end while the streams part again.
  patience: { confirm: 5, clear: 100 },
  create: () => ({ trend: createTrend(), apart: false, sums: [] }),
  update(state, { header, report }) {
    if (!isWatched(header)) return;
    const sum = leastSum(header, report).value;
    if (Number.isFinite(sum)) addRecent(state.sums, sum, MEDIAN_POINTS);
    const separation = leastOf(header, report, ['separation']).value;
    state.apart ||= Number.isFinite(separation) && separation >= MIN_SEPARATION;
    addToTrend(state.trend, report.step, -Math.log(Math.max(separation, MIN_COUNTED_SEPARATION)));
  },
  judge(state, view) {
    if (!isWatched(view.header)) return null;
    const lowSum = judgeSums(state, view);
    const separation = judgeSeparation(state, view);
    return lowSum?.level !== 'fire' && separation?.level === 'fire' ? separation : (lowSum ?? separation);
  },
};

const isWatched = (header: RunHeader): boolean => isBounded(header) && header.streams >= 2;

function judgeSeparation({ trend, apart }: CollapseState, { header, report, shared }: View): Finding {
  const limit = -Math.log(MIN_SEPARATION);
  const predicted = forecast(trend, limit);
  if (predicted === null) return null;
  const { level, peak, steady, steps, interval } = predicted;
  const beyond = Math.max(peak + NEAR, steady) - limit;
  if (beyond < -HYSTERESIS) return null;
  return finding(header, report, beyond >= 0 ? 'fire' : 'hold', {
    severity: apart ? 'critical' : 'warning',
    measure: 'separation',
    value: leastOf(header, report, ['separation']).value,
    threshold: MIN_SEPARATION,
    stepsLeft: steps,
    interval,
    suspects: suspectsOf(header, shared),
    cause: apart ? { kind: 'collapse', figures: { passedBy: level - limit } } : { kind: 'collapsed-start', figures: {} },
  });
}

function judgeSums({ sums }: CollapseState, { header, report }: View): Finding {
  const least = leastSum(header, report);
  const value = medianOf(sums);
  if (!Number.isFinite(least.value) || value >= MIN_SUM_CLEAR) return null;
  return finding(header, report, value < MIN_SUM ? 'fire' : 'hold', {
    severity: 'critical',
    measure: least.measure,
    value,
    threshold: MIN_SUM,
    suspects: [least.connection],
    cause: { kind: 'lost-mass', figures: {} },
  });
}

type LowMeasure = 'separation' | 'rowSumMin' | 'columnSumMin';

const leastSum = (header: RunHeader, report: StepReport) => leastOf(header, report, ['rowSumMin', 'columnSumMin']);

/** The smallest value of the measures over the connections; Infinity where none is defined. */
function leastOf(header: RunHeader, report: StepReport, measures: LowMeasure[]) {
  const all = measures.flatMap((measure) =>
    header.connections.map((_, connection) => ({ value: measureOf(header, report, measure, connection), connection, measure })),
  );
  const none = { value: Number.POSITIVE_INFINITY, connection: 0, measure: measures[0] };
  return all.reduce((least, one) => (one.value < least.value ? one : least), none);
}

export const collapseWords: WordsOf<'collapse' | 'collapsed-start' | 'lost-mass'> = {
  collapse: ({ facts, figures: { passedBy }, the, of }) => {
    const { value, threshold } = facts;
    const when = passedBy >= 0 ? `is below ${threshold}` : `may fall below ${threshold} ${stepsPhrase(facts)}`;
    return [`${the} streams${of} collapse into one: their separation is ${digits(value)} and ${when}`];
  },
  'collapsed-start': ({ facts: { value, threshold }, the, of }) => [
    `${the} streams${of} have been one from the start: their separation is ${digits(value)} and has never been above ${threshold}`,
  ],
  'lost-mass': ({ facts: { measure, value }, name, of }) => [
    `${name}${of} loses a stream: its smallest ${measure === 'rowSumMin' ? 'row' : 'column'} sum is ${digits(value)} instead of 1`,
  ],
};

export const collapseEntry: RuleEntry = {
  alert: 'MhcCollapse',
  summary: `The streams of ${RUN} collapse into one, driven by ${LAYER}.`,
  description: `The separation of the composite is forecast to fall below ${MIN_SEPARATION}, or a row or column has lost its mass.`,
  pairedWith: PAIRED,
  means:
    'The residual streams become one: the separation of the composite falls towards 0, or a row or column of one H_res has lost most of its mass. The model goes on to train, but as one with a single stream.',
  look: [
    'Sinkhorn: one to three iterations are too few once the logits have grown.',
    'The start: H_res that mix evenly (no identity, as in transformers and lucidrains) collapse over the depth from the first step. That is a warning only, as nothing was lost.',
  ],
  act: ['Use 20 Sinkhorn iterations.', 'Start near the identity (b_res with a high diagonal).', 'Lower the learning rate of the logits.'],
};
