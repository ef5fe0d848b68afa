/** A run that makes no step any more. The only detector that needs a clock: it finds nothing at a report. */
import type { RunHeader } from '../../src/telemetry/sample.ts';
import { type Detector, type Finding, finding } from '../detector.ts';
import { MAX_PAUSE_SECONDS } from '../limits.ts';
import { digits, type RuleEntry, type WordsOf } from '../words.ts';

/**
 * Seconds without a report, times the usual distance between reports, and times the longest one that the run came back from (an
 * evaluation, a checkpoint): all must be passed. Our choice: nobody is called within a minute, nor for a pause that the run has
 * made before.
 */
export const MIN_SECONDS = 60;
const MIN_USUAL = 20;
const MIN_LONGEST = 2;
/**
 * Weight of a new distance in the usual one, and the most that it counts for, times that. Our choice: one pause does not make
 * pauses usual.
 */
const WEIGHT = 0.1;
const MAX_USUAL = 3;

export interface StallState {
  /** Of the last report, ms since 1970; 0 before the first. */
  time: number;
  step: number;
  /** Smoothed distance between two reports, ms. */
  usual: number;
  /** Longest distance so far, ms. */
  longest: number;
}

export const stalled: Detector<StallState> = {
  rule: 'stalled',
  // The clock is asked often, and the next step ends it.
  patience: { confirm: 1, clear: 1 },
  create: () => ({ time: 0, step: 0, usual: 0, longest: 0 }),
  update(state, { report: { step, time } }) {
    if (state.time > 0) {
      const distance = Math.max(0, time - state.time);
      const { usual } = state;
      state.usual = usual === 0 ? distance : usual + WEIGHT * (Math.min(distance, MAX_USUAL * usual) - usual);
      state.longest = Math.max(state.longest, Math.min(distance, 1000 * MAX_PAUSE_SECONDS));
    }
    state.time = time;
    state.step = step;
  },
  judge: () => null,
};

/** Seconds without a report from which on a run stands still. */
export const stallThreshold = ({ usual, longest }: StallState): number =>
  Math.max(MIN_SECONDS, (MIN_USUAL * usual) / 1000, (MIN_LONGEST * longest) / 1000);

/** What it finds by the clock. @param now ms since 1970 */
export function judgeClock(state: StallState, header: RunHeader, now: number): Finding {
  if (state.time === 0) return null;
  const value = (now - state.time) / 1000;
  const threshold = stallThreshold(state);
  if (value <= threshold) return null;
  const cause = { kind: 'stall', figures: { lastStep: state.step, usualSeconds: state.usual / 1000 } } as const;
  const at = { step: state.step, time: now };
  return finding(header, at, 'fire', { severity: 'warning', measure: 'time', value, threshold, cause });
}

export const stallWords: WordsOf<'stall'> = {
  stall: ({ facts: { value }, figures: { lastStep, usualSeconds }, run }) => [
    `${run} has made no step since step ${lastStep}, ${digits(value)} s ago; it used to take ${digits(usualSeconds)} s`,
  ],
};

export const stallEntry: RuleEntry = {
  alert: 'MhcTrainingStalled',
  expr: `max by (run) (
  (mhc_warning_active{rule="stalled"} or time() - mhc_training_last_step_timestamp_seconds > ${MAX_PAUSE_SECONDS})
  unless on (run) mhc_run_outcome
)`,
  severity: 'warning',
  summary: 'Run {{ $labels.run }} makes no step any more.',
  description: `No step for much longer than usual, or for ${MAX_PAUSE_SECONDS / 60} minutes, and the run has not ended.`,
  means: 'The run has made no step for much longer than usual, and it has not ended.',
  look: [
    'The process: waiting for data, for a lock, for a device that is gone.',
    'Evaluation or saving in the loop that takes longer than usual.',
  ],
  act: ['Look at the process and its log; restart from the last checkpoint if it hangs.'],
};
