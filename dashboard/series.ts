/** Series of minima and maxima over steps, and what is made of them for a chart. Pure; knows no server and no document. */
import type { SeriesAnswer } from '../src/telemetry/api.ts';
import { fromWire } from './format.ts';

/** One quantity over steps. A value that is not known, or is no number, is NaN; infinite ones stay. */
export interface Band {
  /** "" for a scalar of the run. */
  connection: string;
  min: number[];
  max: number[];
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

export function bandsOf({ steps, times, bucket, series }: SeriesAnswer): Bands {
  const numbers = (values: SeriesAnswer['series'][number]['min']) => values.map(fromWire);
  return { steps, times, bucket, bands: series.map(({ connection, min, max }) => ({ connection, min: numbers(min), max: numbers(max) })) };
}

/** Adds a step behind the last one; one that does not come behind it changes nothing. */
export function appendStep(bands: Bands, step: number, time: number, values: readonly number[]): void {
  if (step <= (bands.steps.at(-1) ?? Number.NEGATIVE_INFINITY)) return;
  bands.steps.push(step);
  bands.times.push(time);
  bands.bands.forEach(({ min, max }, l) => {
    min.push(values[l]);
    max.push(values[l]);
  });
}

/** Smallest minimum and largest maximum of all at each point; NaN where none is known. */
export function envelopeOf({ bands }: Bands, points: number): { min: number[]; max: number[] } {
  const min = new Array<number>(points).fill(Number.NaN);
  const max = new Array<number>(points).fill(Number.NaN);
  for (const band of bands) {
    for (let i = 0; i < points; i++) {
      if (!(min[i] <= band.min[i])) min[i] = Number.isNaN(band.min[i]) ? min[i] : band.min[i];
      if (!(max[i] >= band.max[i])) max[i] = Number.isNaN(band.max[i]) ? max[i] : band.max[i];
    }
  }
  return { min, max };
}

/** Positions of the `count` bands whose largest value in the last tenth of the points is highest, that one first. */
export function worstOf({ bands, steps }: Bands, count: number, allowed: (connection: string) => boolean = () => true): number[] {
  const from = Math.floor(0.9 * (steps.length - 1));
  const height = bands.map(({ max }) => {
    let highest = Number.NEGATIVE_INFINITY;
    for (let i = Math.max(0, from); i < max.length; i++) if (max[i] > highest) highest = max[i];
    return highest;
  });
  return [...bands.keys()]
    .filter((l) => allowed(bands[l].connection))
    .sort((a, b) => height[b] - height[a] || a - b)
    .slice(0, count);
}

/** Exponential mean with the weight `smooth` of what was, over finite values (in ln where `log`); others pass as they are. */
export function smoothed(values: readonly number[], smooth: number, log: boolean): number[] {
  let mean = Number.NaN;
  return values.map((raw) => {
    const value = log ? Math.log(raw) : raw;
    if (!Number.isFinite(value)) return raw;
    mean = Number.isNaN(mean) ? value : smooth * mean + (1 - smooth) * value;
    return log ? Math.exp(mean) : mean;
  });
}

/** Steps that a line through the last points of ln(value) needs to `limit`: 0: it is there; Infinity: it does not rise. */
export function stepsLeft(steps: readonly number[], values: readonly number[], limit: number, points = 20): number {
  let [n, x, y, xx, xy] = [0, 0, 0, 0, 0];
  const last = steps.at(-1) ?? 0;
  for (let i = Math.max(0, values.length - points); i < values.length; i++) {
    const ln = Math.log(values[i]);
    if (!Number.isFinite(ln)) continue;
    const dx = steps[i] - last;
    n++;
    x += dx;
    y += ln;
    xx += dx * dx;
    xy += dx * ln;
  }
  const slope = (n * xy - x * y) / (n * xx - x * x);
  const level = (y - slope * x) / n;
  if (!(n > 1)) return Number.POSITIVE_INFINITY;
  const distance = Math.log(limit) - level;
  if (distance <= 0) return 0;
  return slope > 0 ? distance / slope : Number.POSITIVE_INFINITY;
}

/** Compiles what was typed; null where it is no regular expression. */
export function filterOf(text: string): RegExp | null {
  try {
    return new RegExp(text, 'i');
  } catch {
    return null;
  }
}
