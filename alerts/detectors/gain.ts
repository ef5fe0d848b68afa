/**
 * The forecast of the composite gain G: will it reach a limit, and when? Where connections are free (HC) the limits are 100
 * and 1000 and ln G is forecast; where all are mHC, G is the gain in the direction that Sinkhorn leaves inexact, at most n:
 * the limit is n / 2 and ln(G − 1) is forecast.
 *
 * The trend of G is not all: matrices near the identity lie as far from it as the learning rate carries them, so ln G
 * follows the learning rate, after it. Of what a risen rate alone would add, six tenths are believed:
 *
 *     peak = trend's peak + 0.6 · max(level, 0) · (rate / mean rate − 1)
 *
 * 1000 has two detectors: `warning` believes all of that, and comes early; `critical` at most an e-fold, so that G itself
 * must be rising, and is seldom wrong.
 */
import type { RunHeader } from '../../src/telemetry/sample.ts';
import type { Cause, CauseFigures, Severity } from '../../src/telemetry/warning.ts';
import { type Detector, type Finding, finding, type View } from '../detector.ts';
import { boundedGain, isBounded, MAX_GAIN, MAX_GAIN_CRITICAL } from '../limits.ts';
import { rateRise } from '../rate.ts';
import { scaleOf, suspectsOf } from '../shared.ts';
import { forecast } from '../trend.ts';
import { digits, type Given, LAYER, PAIRED, RUN, type RuleEntry, stepsPhrase, type Words, type WordsOf } from '../words.ts';

/**
 * Share of the growth with a risen learning rate that is believed. This and the figures of each limit: chosen on the tuning half
 * of the corpus (test/eval).
 */
const RATE_SHARE = 0.6;
/**
 * How far below what fires the forecast must fall for the warning to end, in ln. Our choice: more than the forecast swings on a
 * plateau.
 */
const HYSTERESIS = 1.5;
/** Steps without a finding that end the warning. Our choice: as long as a slope is trusted (trend.ts). */
const CLEAR_STEPS = 100;

/** When a forecast becomes a finding. */
interface GainLimit {
  /** null: this run is not judged by it. */
  threshold: (header: RunHeader) => number | null;
  severity: Severity;
  /** How far above the threshold the highest forecast must be, in ln; less ln(sensitivity). */
  above: number;
  /** Most that a risen learning rate may add, in ln. */
  maxByRate: number;
  /** Does a slope that is small but steady count? */
  steadily: boolean;
  /** Steps in a row that must find it. */
  confirm: number;
}

const ifFree = (threshold: number) => (header: RunHeader) => (isBounded(header) ? null : threshold);
const ifBounded = (header: RunHeader) => (isBounded(header) ? boundedGain(header.streams) : null);
const all = Number.POSITIVE_INFINITY;

const LIMITS: Record<string, GainLimit> = {
  high: { threshold: ifFree(MAX_GAIN), severity: 'warning', above: 0.7, maxByRate: all, steadily: true, confirm: 2 },
  'overflow early': { threshold: ifFree(MAX_GAIN_CRITICAL), severity: 'warning', above: 1.6, maxByRate: all, steadily: true, confirm: 2 },
  overflow: { threshold: ifFree(MAX_GAIN_CRITICAL), severity: 'critical', above: 1.73, maxByRate: 1, steadily: false, confirm: 10 },
  bounded: { threshold: ifBounded, severity: 'critical', above: 0.7, maxByRate: 0, steadily: true, confirm: 2 },
};

/** One detector for each limit, all without a state of their own: the trend is shared. */
export const gainForecast: readonly Detector<null>[] = Object.entries(LIMITS).map(([name, limit]) => ({
  rule: 'gain-forecast',
  limit: name,
  patience: { confirm: limit.confirm, clear: CLEAR_STEPS },
  judge: (_state, view) => judgeLimit(limit, view),
}));

function judgeLimit(limit: GainLimit, { header, report, shared, sensitivity }: View): Finding {
  const { severity, above, maxByRate, steadily } = limit;
  const { compositeGain: value, learningRate } = report;
  const threshold = limit.threshold(header);
  if (threshold === null || value === null) return null;
  const scaled = scaleOf(header)(threshold);
  const predicted = forecast(shared.trend, scaled);
  if (predicted === null) return null;
  const { level, peak, steady, steps, interval } = predicted;
  const rise = rateRise(shared.learningRate, learningRate);
  const byRate = Math.min(maxByRate, RATE_SHARE * Math.max(level, 0) * rise);
  const highest = Math.max(peak + byRate - above, steadily ? steady : Number.NEGATIVE_INFINITY);
  const beyond = steps === 0 ? 0 : highest - scaled + Math.log(sensitivity);
  if (beyond < -HYSTERESIS) return null;
  const passedBy = level - scaled;
  return finding(header, report, beyond >= 0 ? 'fire' : 'hold', {
    severity,
    measure: 'compositeGain',
    value,
    threshold,
    stepsLeft: steps,
    interval,
    suspects: suspectsOf(header, shared),
    cause:
      byRate > Math.max(0, peak - level)
        ? { kind: 'learning-rate', figures: { rateFactor: 1 + rise, passedBy } }
        : { kind: 'gain-growth', figures: { passedBy } },
  });
}

const AMPLIFIED = `Signals of ${RUN} are amplified {{ $value | humanize }} times over the depth.`;

/** Why the gain grows, as a clause; null: the cause is of another kind. */
export function growthClause(cause: Cause | null): string | null {
  if (cause?.kind === 'learning-rate') return `the learning rate is ${digits(cause.figures.rateFactor)} × its recent mean`;
  if (cause?.kind !== 'gain-growth') return null;
  return cause.connection === null ? 'no connection grows more than the others' : `${cause.connection} grows most`;
}

function gainWordsOf({ facts, figures: { passedBy }, the, of }: Given<CauseFigures['gain-growth']>): Words {
  const { severity, threshold, value } = facts;
  const verb = severity === 'critical' ? 'is forecast to reach' : 'may reach';
  const when = passedBy >= 0 ? `has reached ${threshold}` : `${verb} ${threshold} ${stepsPhrase(facts)}`;
  return [`${the} composite gain${of} is ${digits(value)} and ${when}; ${growthClause(facts.cause)}`];
}

export const gainWords: WordsOf<'gain-growth' | 'learning-rate'> = { 'gain-growth': gainWordsOf, 'learning-rate': gainWordsOf };

export const gainEntry: RuleEntry = {
  alert: 'MhcGainForecast',
  summary: `The composite gain of ${RUN} {{ if eq $labels.severity "critical" }}is forecast to{{ else }}may{{ end }} blow up, driven by ${LAYER}.`,
  description:
    'Steps left:{{ range printf `mhc_gain_forecast_steps{run="%s"}` $labels.run | query }} {{ .Value | humanize }} to {{ .Labels.threshold }};{{ end }} {{ $labels.layer }} grows most.',
  thresholds: [
    {
      alert: 'MhcCompositeGainHigh',
      expr: `mhc_composite_gain_ratio >= ${MAX_GAIN_CRITICAL}`,
      severity: 'critical',
      summary: AMPLIFIED,
      description: `The composite gain is at or above ${MAX_GAIN_CRITICAL}: gradients overflow soon.`,
    },
    {
      alert: 'MhcCompositeGainHigh',
      expr: `mhc_composite_gain_ratio >= ${MAX_GAIN} < ${MAX_GAIN_CRITICAL}`,
      severity: 'warning',
      summary: AMPLIFIED,
      description: `The composite gain is at or above ${MAX_GAIN}.`,
    },
  ],
  pairedWith: PAIRED,
  means: `The product of the H_res over the depth amplifies signals or gradients more and more: it may reach ${MAX_GAIN} or ${MAX_GAIN_CRITICAL} (warning, early), is forecast to reach ${MAX_GAIN_CRITICAL} (critical, later, with few false alarms) or, where all connections are mHC, half of what it can be at most (n / 2; critical). Both come at a steep rise; the early one also where the learning rate has just risen, as the gain follows it. Beyond ${MAX_GAIN_CRITICAL} activations and gradients overflow; the loss shows it late or only as NaN.`,
  look: [
    'The named connection and the two other suspects: their own gain over the last hundreds of steps.',
    'The learning rate: a warm-up that is too short, a step up, a missing clip.',
    'Where all are mHC: the number of Sinkhorn iterations and the range of the logits.',
  ],
  act: [
    'Save a checkpoint now: it is still good.',
    'Cut the learning rate (to a third is a good first try) and see whether the steps left grow.',
    'If it goes on: go back to the checkpoint before the rise, clip the gradient norm, or change the connections to mHC.',
  ],
};
