/**
 * Forecast of one series over training steps. Two exponentially weighted lines, a fast and a slow one; each slope is
 * trusted for a while and then fades (a damped trend, Gardner & McKenzie 1985), so that the forecast has a highest value:
 *
 *     peak = level + D_fast · slope_fast + D_slow · slope_slow
 *
 * A slope that is small but steady is trusted for longer, at the lower end of what it may be: that sees a slow ramp.
 *
 * Knows nothing of what the series is.
 */
import { addPoint, addRecent, createLine, fitOf, type LineState, medianOf, type RecentState } from './smoothing.ts';

/** Points of the running median. Our choice: a spike of one or two steps does not pass it. */
const MEDIAN_POINTS = 5;
/** Steps after which a point counts 1/e, and steps that the slope is trusted. Chosen on the tuning half of the corpus (test/eval). */
const FAST_STEPS = { tau: 40, damping: 100 };
const SLOW_STEPS = { tau: 80, damping: 80 };
/** Steps that a steady slope is trusted. Our choice: as long as the fast one. */
const STEADY_STEPS = 100;
/** Standard errors between the slow line's slope and the lower end of it that is trusted. Our choice: as many as the interval below has. */
const STEADY_ERRORS = 15;
/** Points before the first forecast. Our choice: twice those of the median. */
const MIN_POINTS = 10;
/**
 * Half of the interval, in standard deviations of the points and standard errors of the slope. Both are above the 1.645 of
 * nine in ten, as neighbouring points err together and slopes change: these hold nine in ten on the tuning half of the corpus (test/eval).
 */
const INTERVAL_DEVIATIONS = 2;
const INTERVAL_ERRORS = 15;

export interface TrendState {
  points: number;
  recent: RecentState;
  fast: LineState;
  slow: LineState;
}

/** A trend without a point. */
export const createTrend = (): TrendState => ({ points: 0, recent: [], fast: createLine(), slow: createLine() });

/** Takes the next value in; one that is not finite is left out. */
export function addToTrend(state: TrendState, step: number, value: number): void {
  if (!Number.isFinite(value)) return;
  state.points++;
  addRecent(state.recent, value, MEDIAN_POINTS);
  const smooth = medianOf(state.recent);
  addPoint(state.fast, step, smooth, FAST_STEPS.tau);
  addPoint(state.slow, step, smooth, SLOW_STEPS.tau);
}

export interface Forecast {
  /** Smoothed value now. */
  level: number;
  /** Highest value that is forecast. */
  peak: number;
  /** Value that is reached for nearly certain if nothing changes. */
  steady: number;
  /** Steps until the series reaches the limit if it goes on as now; 0: it is there; Infinity: it does not rise. */
  steps: number;
  /** Meant to hold the true number of steps nine times in ten. */
  interval: [low: number, high: number];
}

/** When the series reaches the limit, and how high it may come. @returns null before there are enough points */
export function forecast(state: TrendState, limit: number): Forecast | null {
  if (state.points < MIN_POINTS) return null;
  const { level, slope, noise, slopeError } = fitOf(state.fast);
  const slow = fitOf(state.slow);
  const peak = level + FAST_STEPS.damping * slope + SLOW_STEPS.damping * slow.slope;
  const steady = level + STEADY_STEPS * (slow.slope - STEADY_ERRORS * slow.slopeError);
  const distance = limit - level;
  const low = stepsUntil(distance - INTERVAL_DEVIATIONS * noise, slope + INTERVAL_ERRORS * slopeError);
  const high = stepsUntil(distance + INTERVAL_DEVIATIONS * noise, slope - INTERVAL_ERRORS * slopeError);
  return { level, peak, steady, steps: stepsUntil(distance, slope), interval: [low, high] };
}

function stepsUntil(distance: number, slope: number): number {
  if (distance <= 0) return 0;
  return slope > 0 ? distance / slope : Number.POSITIVE_INFINITY;
}
