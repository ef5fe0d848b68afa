/**
 * Smoothing of a series over its steps, in constant time and as plain data: a running median against single spikes and an
 * exponentially weighted straight line. Knows nothing of gains.
 */

/** The last values, oldest first. */
export type RecentState = number[];

/** Puts a value in; the last `length` stay. */
export function addRecent(state: RecentState, value: number, length: number): void {
  state.push(value);
  if (state.length > length) state.shift();
}

/** The middle value, or the mean of the two; NaN of an empty list. O(k log k). */
export function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Weighted sums of a straight line's fit, the step counted from the newest point: weights e^(−age/τ). */
export interface LineState {
  /** Step of the newest point. */
  step: number;
  w: number;
  x: number;
  xx: number;
  y: number;
  xy: number;
  yy: number;
}

/** A line without a point. */
export const createLine = (): LineState => ({ step: 0, w: 0, x: 0, xx: 0, y: 0, xy: 0, yy: 0 });

/** Takes the next point in. @param tau steps after which a point counts 1/e */
export function addPoint(line: LineState, step: number, value: number, tau: number): void {
  const age = line.w === 0 ? 0 : step - line.step;
  const decay = Math.exp(-age / tau);
  // Shift the origin to the new step: x' = x − age.
  const xx = line.xx - 2 * age * line.x + age * age * line.w;
  const x = line.x - age * line.w;
  const xy = line.xy - age * line.y;
  line.step = step;
  line.w = line.w * decay + 1;
  line.x = x * decay;
  line.xx = xx * decay;
  line.y = line.y * decay + value;
  line.xy = xy * decay;
  line.yy = line.yy * decay + value * value;
}

export interface Fit {
  /** The line's value at the newest step. */
  level: number;
  /** Per step. */
  slope: number;
  /** Standard deviation of the points around the line. */
  noise: number;
  /** Standard error of the slope for points whose errors are independent. */
  slopeError: number;
}

/** The fit by weighted least squares; a slope of 0 before there are two points. */
export function fitOf({ w, x, xx, y, xy, yy }: LineState): Fit {
  const spread = w * xx - x * x;
  if (!(spread > 1e-9 * w)) return { level: y / w, slope: 0, noise: 0, slopeError: Number.POSITIVE_INFINITY };
  const slope = (w * xy - x * y) / spread;
  const level = (y - slope * x) / w;
  const noise = Math.sqrt(Math.max(0, (yy - level * y - slope * xy) / w));
  return { level, slope, noise, slopeError: noise * Math.sqrt(w / spread) };
}
