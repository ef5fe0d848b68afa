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
import { addPoint, createLine, fitOf, type Line, type Recent, runningMedian } from './smoothing.ts';

/** Points of the running median, which a spike of one or two steps does not pass. */
const MEDIAN = 5;
/** Steps after which a point counts 1/e, and steps that the slope is trusted. Chosen on the tuning half of the corpus. */
const FAST = { tau: 40, damping: 100 };
const SLOW = { tau: 80, damping: 80 };
/** Steps that a steady slope is trusted, and standard errors between the slow line's slope and the lower end that is. */
const STEADY = { damping: 100, errors: 15 };
/** Points before the first forecast. */
const LEAST = 10;
/**
 * Half of the interval, in standard deviations of the points and standard errors of the slope. Both are above the 1.645 of
 * nine in ten, as neighbouring points err together and slopes change: these hold nine in ten on the tuning half.
 */
const DEVIATIONS = 2;
const ERRORS = 15;

export interface Trend {
  points: number;
  recent: Recent;
  fast: Line;
  slow: Line;
}

export const createTrend = (): Trend => ({ points: 0, recent: [], fast: createLine(), slow: createLine() });

/** Takes the next value; one that is not finite is left out. */
export function addToTrend(trend: Trend, step: number, value: number): void {
  if (!Number.isFinite(value)) return;
  trend.points++;
  const smooth = runningMedian(trend.recent, value, MEDIAN);
  addPoint(trend.fast, step, smooth, FAST.tau);
  addPoint(trend.slow, step, smooth, SLOW.tau);
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

/** @returns null before there are enough points */
export function forecast(trend: Trend, limit: number): Forecast | null {
  if (trend.points < LEAST) return null;
  const { level, slope, noise, slopeError } = fitOf(trend.fast);
  const slow = fitOf(trend.slow);
  const peak = level + FAST.damping * slope + SLOW.damping * slow.slope;
  const steady = level + STEADY.damping * (slow.slope - STEADY.errors * slow.slopeError);
  const distance = limit - level;
  const low = stepsUntil(distance - DEVIATIONS * noise, slope + ERRORS * slopeError);
  const high = stepsUntil(distance + DEVIATIONS * noise, slope - ERRORS * slopeError);
  return { level, peak, steady, steps: stepsUntil(distance, slope), interval: [low, high] };
}

function stepsUntil(distance: number, slope: number): number {
  if (distance <= 0) return 0;
  return slope > 0 ? distance / slope : Number.POSITIVE_INFINITY;
}
