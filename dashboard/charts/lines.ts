/** What a line chart shows, as plain data, and what is computed from it. Knows no Chart.js and no document. */

export interface Line {
  id: string;
  label: string;
  colour: string;
  /** Ascending. */
  steps: readonly number[];
  /** Milliseconds since 1970. */
  times: readonly number[];
  /** NaN and ±Infinity are marked as such; null is not known: a gap. */
  y: readonly (number | null)[];
  /** Both or none: a filled band from the one to the other. */
  low?: readonly number[];
  high?: readonly number[];
  width?: number;
  dashed?: boolean;
  /** On the axis at the right. */
  right?: boolean;
  /** Only the band is drawn. */
  band?: boolean;
}

export interface Threshold {
  value: number;
  label: string;
}

/** From the newest point to where a threshold may be reached. */
export interface Cone {
  step: number;
  time: number;
  value: number;
  threshold: number;
  /** Steps ahead; the later may be infinite. */
  low: number;
  high: number;
  /** What the exponential growth starts from: 0, or 1 where the gain is bounded. */
  base: number;
}

export type XKind = 'step' | 'time';

export interface Extent {
  min: number;
  max: number;
}

export const xOf = (line: Pick<Line, 'steps' | 'times'>, kind: XKind): readonly number[] => (kind === 'step' ? line.steps : line.times);

/** Position of the first that is not below `x`, in ascending ones. */
export function firstFrom(xs: readonly number[], x: number): number {
  let [low, high] = [0, xs.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (xs[middle] < x) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Position of the nearest in ascending ones; −1 where there is none. */
export function nearest(xs: readonly number[], x: number): number {
  const at = firstFrom(xs, x);
  if (at === xs.length) return at - 1;
  return at > 0 && x - xs[at - 1] < xs[at] - x ? at - 1 : at;
}

/** Position of the point of a line that belongs to a step; −1: it has none there. */
export function pointAt({ steps }: Pick<Line, 'steps'>, step: number): number {
  const at = nearest(steps, step);
  if (at < 0) return -1;
  const beside = Math.max(at > 0 ? steps[at] - steps[at - 1] : 1, at + 1 < steps.length ? steps[at + 1] - steps[at] : 1);
  return Math.abs(steps[at] - step) <= beside ? at : -1;
}

/** Only the points within the extent. */
export function cut(line: Line, kind: XKind, { min, max }: Extent): Line {
  const xs = xOf(line, kind);
  const from = firstFrom(xs, min);
  let to = firstFrom(xs, max);
  if (xs[to] === max) to++;
  if (from === 0 && to === xs.length) return line;
  const { steps, times, y, low, high } = line;
  const part: Line = { ...line, steps: steps.slice(from, to), times: times.slice(from, to), y: y.slice(from, to) };
  return low === undefined || high === undefined ? part : { ...part, low: low.slice(from, to), high: high.slice(from, to) };
}

/** Is a step missing behind the i-th? Where the way to the next is more than three times those beside it. */
export function gapBehind(steps: readonly number[], i: number): boolean {
  if (i + 1 >= steps.length || i === 0) return false;
  const way = steps[i + 1] - steps[i];
  const after = i + 2 < steps.length ? steps[i + 2] - steps[i + 1] : 0;
  return way > 3 * Math.max(steps[i] - steps[i - 1], after);
}

/** What is not known, of a quantity that is not reported at all, is no NaN but a gap. */
export function reported(values: readonly number[], isReported: boolean): readonly (number | null)[] {
  return isReported ? values : values.map((value) => (Number.isNaN(value) ? null : value));
}

/** Smallest and largest number of some lines, and of `others`; on a log axis only what is above 0. null: there is none. */
export function extentOf(lines: readonly Line[], log: boolean, others: readonly number[] = []): Extent | null {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  const take = (value: number | null) => {
    if (value === null || !Number.isFinite(value) || (log && value <= 0)) return;
    if (value < min) min = value;
    if (value > max) max = value;
  };
  for (const { y, low, high, band } of lines) {
    if (!band) for (const value of y) take(value);
    if (low !== undefined && high !== undefined) {
      for (const value of low) take(value);
      for (const value of high) take(value);
    }
  }
  for (const value of others) take(value);
  return min <= max ? { min, max } : null;
}

/** An axis with some room around the values; on a log axis at least a factor of 2 from end to end. */
export function axisFor(extent: Extent | null, log: boolean): Extent {
  if (extent === null) return log ? { min: 0.5, max: 2 } : { min: 0, max: 1 };
  const { min, max } = extent;
  if (log) {
    const room = Math.max((max / min) ** 0.05, Math.sqrt(Math.max(1, 2 / (max / min))));
    return { min: min / room, max: max * room };
  }
  const room = max > min ? 0.05 * (max - min) : Math.max(1e-9, 0.1 * Math.abs(max));
  // Near 0 from above: from 0.
  return { min: min >= 0 && min < 0.5 * max ? 0 : min - room, max: max + room };
}
