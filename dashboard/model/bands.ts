/** Series of minima and maxima over steps, and what is made of them for a chart. Pure; knows no server and no document. */
import type { SeriesAnswer } from '../../src/telemetry/api.ts';
import { fromWire, type WireNumber } from '../../src/telemetry/wire.ts';

/** null: not known at this point, which is then no point of the line. NaN and ±Infinity are values that were measured. */
export type Value = number | null;

/** One quantity over steps. Where a bucket has a finite minimum and NaN as its maximum, there is a NaN somewhere within. */
export interface Band {
  /** "" for a scalar of the run. */
  connection: string;
  min: Value[];
  max: Value[];
}

/** Some quantities over the same steps. */
export interface Bands {
  /** Ascending. */
  steps: number[];
  /** Milliseconds since 1970. */
  times: number[];
  /** Steps per point; 1: nothing was reduced. */
  bucket: number;
  bands: Band[];
}

const valueFrom = (value: WireNumber | null): Value => (value === null ? null : fromWire(value));

/** An answer of the server, with its numbers. */
export function bandsOf({ steps, times, bucket, series }: SeriesAnswer): Bands {
  const bands = series.map(({ connection, min, max }) => ({ connection, min: min.map(valueFrom), max: max.map(valueFrom) }));
  return { steps, times, bucket, bands };
}

/** Adds a step behind the last one; one that does not come behind it changes nothing. */
export function appendStep(bands: Bands, step: number, time: number, values: readonly (WireNumber | null)[]): void {
  if (step <= (bands.steps.at(-1) ?? Number.NEGATIVE_INFINITY)) return;
  bands.steps.push(step);
  bands.times.push(time);
  bands.bands.forEach(({ min, max }, l) => {
    const value = valueFrom(values[l] ?? null);
    min.push(value);
    max.push(value);
  });
}

const both = (a: Value, b: Value, better: (a: number, b: number) => number): Value => (a === null || b === null ? (a ?? b) : better(a, b));
const smaller = (a: Value, b: Value): Value => both(a, b, (x, y) => (Number.isNaN(x) ? y : Number.isNaN(y) ? x : Math.min(x, y)));
const larger = (a: Value, b: Value): Value => both(a, b, Math.max);

/** As `appendStep`, but into the last point where that stands for the bucket of the step. */
export function mergeStep(bands: Bands, step: number, time: number, values: readonly (WireNumber | null)[]): void {
  const last = bands.steps.length - 1;
  if (last < 0 || Math.floor(step / bands.bucket) > Math.floor(bands.steps[last] / bands.bucket)) {
    appendStep(bands, step, time, values);
    return;
  }
  bands.bands.forEach(({ min, max }, l) => {
    const value = valueFrom(values[l] ?? null);
    min[last] = smaller(min[last], value);
    max[last] = larger(max[last], value);
  });
}

/** Half as many points: each pair becomes its smallest minimum and largest maximum, and NaN stays as in a bucket. */
export function halve(bands: Bands): void {
  const firsts = (values: readonly number[]) => values.filter((_, i) => i % 2 === 0);
  const pairs = (values: readonly Value[], better: typeof smaller) =>
    values.flatMap((value, i) => (i % 2 > 0 ? [] : [better(value, values[i + 1] ?? null)]));
  bands.steps = firsts(bands.steps);
  bands.times = firsts(bands.times);
  bands.bucket *= 2;
  for (const band of bands.bands) {
    band.min = pairs(band.min, smaller);
    band.max = pairs(band.max, larger);
  }
}

/** Only the points within the range: what was loaded may reach farther back. */
export function clip(bands: Bands, { from, to }: { from: number | null; to: number | null }): Bands {
  const first = from === null ? 0 : bands.steps.findIndex((step) => step >= from);
  const last = to === null ? bands.steps.length : bands.steps.findLastIndex((step) => step <= to) + 1;
  if (first === 0 && last === bands.steps.length) return bands;
  const within = <T>(values: T[]) => (first < 0 ? [] : values.slice(first, last));
  return {
    steps: within(bands.steps),
    times: within(bands.times),
    bucket: bands.bucket,
    bands: bands.bands.map(({ connection, min, max }) => ({ connection, min: within(min), max: within(max) })),
  };
}

/** By the steps: lines that share them share it. */
const widths = new WeakMap<readonly number[], { points: number; bucket: number; width: number }>();

/** Steps that a point stands for: a bucket, or the usual distance where only every k-th step is recorded. */
export function pointWidth(steps: readonly number[], bucket: number): number {
  const known = widths.get(steps);
  if (known?.points === steps.length && known.bucket === bucket) return known.width;
  const distances = new Float64Array(Math.max(0, steps.length - 1));
  for (let i = 0; i < distances.length; i++) distances[i] = steps[i + 1] - steps[i];
  const width = Math.max(bucket, distances.sort()[(distances.length - 1) >> 1] ?? 1);
  widths.set(steps, { points: steps.length, bucket, width });
  return width;
}

/** Is a point missing on the way to the next? A bucket begins at the first step recorded in it: less than twice its width is none. */
export const isGap = (way: number, width: number): boolean => way >= 2 * width;

/** What is not a number is worse than any number; what is not known is less than any. */
export const badness = (value: Value): number =>
  value === null ? Number.NEGATIVE_INFINITY : Number.isNaN(value) ? Number.POSITIVE_INFINITY : value;

/** The worst value in the last tenth of the points; Infinity where one of them is NaN. */
export function recentWorst({ max }: Pick<Band, 'max'>): number {
  let worst = Number.NEGATIVE_INFINITY;
  for (let i = Math.max(0, Math.floor(0.9 * (max.length - 1))); i < max.length; i++) worst = Math.max(worst, badness(max[i]));
  return worst;
}

/** At each point the largest or smallest of all bands; NaN where all are NaN: not every connection has each measure. */
export function extremeOf(bands: readonly Band[], side: 'min' | 'max', which: 'smallest' | 'largest', points: number): Value[] {
  const sign = which === 'largest' ? 1 : -1;
  const extreme = new Array<Value>(points).fill(null);
  for (const { [side]: values } of bands) {
    for (let i = 0; i < points; i++) {
      const value = values[i];
      const best = extreme[i];
      if (value === null || (best !== null && sign * value <= sign * best)) continue;
      if (best === null || !Number.isNaN(value)) extreme[i] = value;
    }
  }
  return extreme;
}

/** Smallest minimum and largest maximum of all at each point. */
export const envelopeOf = ({ bands }: Pick<Bands, 'bands'>, points: number): Pick<Band, 'min' | 'max'> => ({
  min: extremeOf(bands, 'min', 'smallest', points),
  max: extremeOf(bands, 'max', 'largest', points),
});

/** Positions of the `count` bands that are worst of late, the worst first. */
export function worstOf({ bands }: Bands, count: number, allowed: (connection: string) => boolean = () => true): number[] {
  const height = bands.map(recentWorst);
  return [...bands.keys()]
    .filter((l) => allowed(bands[l].connection))
    .sort((a, b) => height[b] - height[a] || a - b)
    .slice(0, count);
}

/** Exponential mean with the weight `smooth` of what was, over finite values (in ln where `log`); others pass as they are. */
export function smoothed(values: readonly Value[], smooth: number, log: boolean): Value[] {
  let mean = Number.NaN;
  return values.map((raw) => {
    if (raw === null) return null;
    const value = log ? Math.log(raw) : raw;
    if (!Number.isFinite(value)) return raw;
    mean = Number.isNaN(mean) ? value : smooth * mean + (1 - smooth) * value;
    return log ? Math.exp(mean) : mean;
  });
}
