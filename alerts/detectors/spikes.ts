/** A spike of the loss or of the gradient norm: context for the other warnings, never an alarm by itself. */
import type { StepReport } from '../../src/telemetry/report.ts';
import type { RuleName } from '../../src/telemetry/warning.ts';
import { type Detector, finding } from '../detector.ts';
import { digits, RUN, type RuleEntry, scalarPhrase, type WordsOf } from '../words.ts';

/**
 * Standard deviations of ln(value) above its mean, and the least factor over the mean. Our choice: beyond what the tail of
 * a healthy loss does, and plain to see.
 */
const MIN_SIGMAS = 8;
const MIN_FACTOR = 3;
/** Reports before the first verdict. Our choice: as many as a new value's weight is of. */
const MIN_REPORTS = 50;
/** Weight of a new value. Our choice: one in fifty. */
const WEIGHT = 0.02;

export interface SpikesState {
  seen: number;
  /** Of ln(value), exponentially weighted; a spike enters them cut to where a spike begins. */
  mean: number;
  variance: number;
  /** The mean before the newest value, and where a spike begins by it. */
  usual: number;
  limit: number;
}

const isMeasured = (value: number | null): value is number => value !== null && value > 0 && Number.isFinite(value);

const spikesOf = (rule: RuleName, measure: 'loss' | 'gradientNorm'): Detector<SpikesState> => {
  const isSpike = ({ seen, limit }: SpikesState, { [measure]: value }: StepReport): boolean =>
    isMeasured(value) && seen > MIN_REPORTS && Math.log(value) > limit;
  return {
    rule,
    // Our choice: a spike is over in a step, and its echoes soon.
    patience: { confirm: 1, clear: 20 },
    create: () => ({ seen: 0, mean: 0, variance: 0, usual: 0, limit: 0 }),
    update(state, { report }) {
      const value = report[measure];
      if (!isMeasured(value)) return;
      state.seen++;
      state.usual = state.mean;
      state.limit = state.mean + Math.max(MIN_SIGMAS * Math.sqrt(state.variance), Math.log(MIN_FACTOR));
      const weight = Math.max(WEIGHT, 1 / state.seen);
      const difference = (isSpike(state, report) ? state.limit : Math.log(value)) - state.mean;
      state.mean += weight * difference;
      state.variance = (1 - weight) * (state.variance + weight * difference * difference);
    },
    judge(state, { header, report }) {
      if (!isSpike(state, report)) return null;
      const usual = Math.exp(state.usual);
      return finding(header, report, 'fire', {
        severity: 'info',
        measure,
        value: report[measure] ?? Number.NaN,
        threshold: Math.exp(state.limit),
        cause: { kind: 'spike', figures: { usual } },
      });
    },
  };
};

export const lossSpike = spikesOf('loss-spike', 'loss');
export const gradientSpike = spikesOf('gradient-spike', 'gradientNorm');

const CONTEXT = 'Context for other alerts: a bad batch, or the first sign of what they tell.';

export const spikeWords: WordsOf<'spike'> = {
  spike: ({ facts, figures: { usual }, the, of }) => [
    `${the} ${scalarPhrase(facts)}${of} jumped to ${digits(facts.value)} at step ${facts.step}, usually ${digits(usual)}`,
  ],
};

export const lossEntry: RuleEntry = {
  alert: 'MhcLossSpike',
  summary: `The loss of ${RUN} has jumped.`,
  description: CONTEXT,
  means: 'The loss jumped far above what it used to be. Context for other warnings, never an alarm by itself.',
  look: ['The batch of that step.', 'Whether the gain rose before it.'],
  act: ['Nothing, if it comes back. Skip the batch if it returns at the same place in the data.'],
};

export const gradientEntry: RuleEntry = {
  alert: 'MhcGradientSpike',
  summary: `The gradient norm of ${RUN} has jumped.`,
  description: CONTEXT,
  means: 'The norm of the gradient jumped far above what it used to be. Context for other warnings, never an alarm by itself.',
  look: ['The batch of that step.', 'The backward composite gain: it multiplies the gradient.'],
  act: ['Clip the gradient norm if spikes are frequent.'],
};
