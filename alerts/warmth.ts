/** Is the learning rate past its warm-up? Rules that a warm-up would trip wait for it. */

/** Reports without a new highest learning rate after which the warm-up is over. */
const REPORTS = 20;
/** The same for a run that tells no learning rate: reports in all. */
const REPORTS_UNKNOWN = 100;

export interface Warmth {
  reports: number;
  /** Highest learning rate so far; 0: none told yet. */
  peak: number;
  /** Reports since that was reached. */
  since: number;
}

export const createWarmth = (): Warmth => ({ reports: 0, peak: 0, since: 0 });

/** Takes the next learning rate in. Once warm, a later rise does not make the run cold again. */
export function isWarm(state: Warmth, learningRate: number | null): boolean {
  state.reports++;
  if (state.since < REPORTS) {
    state.since++;
    if (learningRate !== null && learningRate > 1.001 * state.peak) {
      state.peak = learningRate;
      state.since = 0;
    }
  }
  return state.peak > 0 ? state.since >= REPORTS : state.reports >= REPORTS_UNKNOWN;
}
