/** Is the learning rate past its warm-up? Rules that a warm-up would trip wait for it. */

/**
 * Reports without a new highest learning rate after which the warm-up is over. Our choice: more than a staircase of a schedule
 * holds still.
 */
const WARM_REPORTS = 20;
/** The same for a run that reports no learning rate: reports in all. Our choice: a short warm-up. */
const WARM_REPORTS_UNKNOWN = 100;
/** Factor from which a learning rate is a new highest one. Our choice: above what rounding does. */
const MIN_RISE = 1.001;

export interface WarmthState {
  reports: number;
  /** Highest learning rate so far; 0: none reported yet. */
  peak: number;
  /** Reports since that was reached. */
  since: number;
}

/** Before the first report: cold. */
export const createWarmth = (): WarmthState => ({ reports: 0, peak: 0, since: 0 });

/** Takes the next learning rate in. Once warm, a later rise does not make the run cold again. */
export function updateWarmth(state: WarmthState, learningRate: number | null): void {
  state.reports++;
  if (state.since >= WARM_REPORTS) return;
  state.since++;
  if (learningRate === null || !(learningRate > MIN_RISE * state.peak)) return;
  state.peak = learningRate;
  state.since = 0;
}

/** Is the warm-up over, as far as the learning rates so far tell? */
export const isWarm = ({ reports, peak, since }: WarmthState): boolean =>
  peak > 0 ? since >= WARM_REPORTS : reports >= WARM_REPORTS_UNKNOWN;
