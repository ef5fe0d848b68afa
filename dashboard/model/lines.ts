/** What a line chart shows, as plain data, and what is computed from it. Knows no Chart.js and no document. */
import { type Band, type Bands, isGap, pointWidth, smoothed, type Value } from './bands.ts';
import { shown } from './format.ts';

export interface Line {
  id: string;
  label: string;
  colour: string;
  /** Ascending. */
  steps: readonly number[];
  /** Milliseconds since 1970. */
  times: readonly number[];
  /** Usual distance of its points, in steps: more of it is a gap. Not given: there is none. */
  apart?: number;
  /** NaN and ±Infinity are marked as such; null is no point of the line. */
  y: readonly Value[];
  /** Above 0: `y` is an exponential mean with this weight of what was. */
  smooth?: number;
  /** Both or none: a filled band from the one to the other. */
  low?: readonly Value[];
  high?: readonly Value[];
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

/** Of its points, as the axis has them. */
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

/** Is a step missing behind the i-th point? */
export const gapBehind = ({ steps, apart }: Pick<Line, 'steps' | 'apart'>, i: number): boolean =>
  apart !== undefined && i + 1 < steps.length && isGap(steps[i + 1] - steps[i], apart);

// ── from a series of minima and maxima ──

interface Look {
  id: string;
  label: string;
  colour: string;
  width?: number;
  dashed?: boolean;
  right?: boolean;
  /** Of a bucket of steps: the largest value, or the middle of both. */
  value: 'largest' | 'middle';
  /** As of `smoothed`; 0: raw. */
  smooth: number;
  /** Is the mean taken in ln? */
  log: boolean;
}

function middleOf(low: Value, high: Value, log: boolean): Value {
  if (low === null || high === null) return null;
  return log ? Math.sqrt(high * low) : (high + low) / 2;
}

/** Where buckets are reduced, or the line is smoothed, the minima and maxima stay as a band behind it. */
export function bandLine({ steps, times, bucket }: Bands, { min, max }: Pick<Band, 'min' | 'max'>, look: Look): Line {
  const { value, smooth, log, ...rest } = look;
  const raw = value === 'largest' || bucket === 1 ? max : max.map((high, i) => middleOf(min[i], high, log));
  const line: Line = { ...rest, steps, times, apart: pointWidth(steps, bucket), y: raw };
  if (smooth > 0) Object.assign(line, { y: smoothed(raw, smooth, log), smooth });
  return smooth > 0 || bucket > 1 ? { ...line, low: min, high: max } : line;
}

// ── what Chart.js draws ──

/** x and y as the axes have them. */
export interface Point {
  x: number;
  y: number;
  step: number;
  /** As it was measured, also where the axis cannot show it. */
  value: number;
  /** Of marks: what cannot be drawn as a value. */
  text?: string;
}

export interface Mark extends Point {
  above: boolean;
  nan: boolean;
  colour: string;
}

/** What has no place on a log axis lies at its lower end, but is not lost. */
const onAxis = (value: number, log: boolean, { min }: Extent) => (log && value <= 0 ? min : value);

/** Overwrites what is there: the same points again and again. A point at NaN breaks the line. */
export function fill(points: Point[], line: Line, kind: XKind, log: boolean, axis: Extent): void {
  const xs = xOf(line, kind);
  let n = 0;
  const put = (x: number, y: number, step: number, value: number) => {
    const point = points[n];
    if (point === undefined) points.push({ x, y, step, value });
    else {
      point.x = x;
      point.y = y;
      point.step = step;
      point.value = value;
    }
    n++;
  };
  for (let i = 0; i < xs.length; i++) {
    const value = line.y[i];
    if (value !== null) put(xs[i], Number.isFinite(value) ? onAxis(value, log, axis) : Number.NaN, line.steps[i], value);
    if (gapBehind(line, i)) put((xs[i] + xs[i + 1]) / 2, Number.NaN, line.steps[i], Number.NaN);
  }
  points.length = n;
}

/** Of each point: 0; a single one between gaps is no line and gets `size`. One number where it is the same for all. */
export function radiusOf(points: readonly Point[], size: number): number | number[] {
  const isBreak = (i: number) => i < 0 || i >= points.length || Number.isNaN(points[i].y);
  const isSingle = (_: Point, i: number) => !isBreak(i) && isBreak(i - 1) && isBreak(i + 1);
  return points.some(isSingle) ? points.map((point, i) => (isSingle(point, i) ? size : 0)) : 0;
}

/** One mark for what is not finite at a step, with the names of the lines; at the ends of the left axis. */
export function marksOf(lines: readonly Line[], kind: XKind, axis: Extent): Mark[] {
  const marks = new Map<string, Mark>();
  for (const line of lines) {
    const xs = xOf(line, kind);
    const values = line.band ? (line.high ?? []) : line.y;
    for (let i = 0; i < xs.length; i++) {
      const value = values[i];
      if (value === null || Number.isFinite(value)) continue;
      const name = Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '−Inf';
      const key = `${line.steps[i]} ${name}`;
      const known = marks.get(key);
      if (known !== undefined) {
        if (known.text!.length < 60) known.text = `${line.label}, ${known.text}`;
        continue;
      }
      const at = { x: xs[i], y: name === '+Inf' ? axis.max : axis.min, step: line.steps[i], value };
      marks.set(key, { ...at, text: `${line.label}: ${name}`, above: name === '+Inf', nan: name === 'NaN', colour: line.colour });
    }
  }
  return [...marks.values()].sort((a, b) => a.x - b.x);
}

/** One line for the tooltip. */
export const tooltipText = ({ value, step, text }: Point, label: string): string => `${text ?? `${label}: ${shown(value)}`} · step ${step}`;
