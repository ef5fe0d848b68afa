/** The heatmap as numbers: order of its rows, its scale, and which colour code each pixel has. Pure; draws nothing. */
import { type Band, type Bands, badness, isGap, pointWidth, recentWorst, type Value } from './bands.ts';
import { stepsLeft } from './stepsLeft.ts';
import type { View } from './view.ts';

/** Codes of pixels: nothing is known there; gain 1; not finite. Between 2 and 254: log gain. */
export const BLANK = 0;
export const ONE = 128;
export const BROKEN = 255;
const SIDE = 126;

/** log10 of the scale's end, and what it is rounded up to. Our choice: 10 % of gain fill the scale, and a scale seldom moves. */
const MIN_RANGE = Math.log10(1.1);
const RANGE_STEP = 0.02;

/** Of all points; Infinity where one is not finite. */
export const largestGain = ({ max }: Band): number =>
  max.reduce<number>((highest, gain) => Math.max(highest, badness(gain)), Number.NEGATIVE_INFINITY);

/** Steps to `limit`, by the slope of the last points; 0 where the newest is not finite. */
export function rowStepsLeft({ steps }: Bands, { max }: Band, limit: number): number {
  const newest = max.at(-1) ?? null;
  return newest !== null && !Number.isFinite(newest) ? 0 : stepsLeft(steps, max, limit);
}

/** The rows from top to bottom; equal ones in the order of the layers. `limit`: what steps are left to. */
export function orderRows(bands: Bands, sort: View['sort'], limit: number, allowed: (connection: string) => boolean): Band[] {
  const rows = bands.bands.filter(({ connection }) => allowed(connection));
  if (sort === 'layer') return rows;
  const weight = new Map(rows.map((row) => [row, sort === 'gain' ? -recentWorst(row) : rowStepsLeft(bands, row, limit)]));
  // Infinity - Infinity is NaN, which is "equal" too: the sort is stable.
  return rows.sort((a, b) => weight.get(a)! - weight.get(b)! || 0);
}

/**
 * log10 of the largest finite gain, or of one over the smallest, whichever is farther from 1, rounded up a little: so the
 * colours stay while a gain rises slowly.
 */
export function rangeOf(rows: readonly Band[]): number {
  let [low, high] = [1, 1];
  for (const { max } of rows) {
    for (const gain of max) {
      if (gain === null || !(gain > 0) || gain === Number.POSITIVE_INFINITY) continue;
      if (gain < low) low = gain;
      else if (gain > high) high = gain;
    }
  }
  return Math.max(MIN_RANGE, Math.ceil(Math.max(-Math.log10(low), Math.log10(high)) / RANGE_STEP) * RANGE_STEP);
}

/** The colour code of a gain on a scale from 10^−range to 10^range. */
export function codeOf(gain: Value, range: number): number {
  if (gain === null) return BLANK;
  if (!Number.isFinite(gain)) return BROKEN;
  if (gain <= 0) return ONE - SIDE;
  const at = (Math.log10(gain) / range) * SIDE;
  // Rounded; all of it is above 0.
  return at >= SIDE ? ONE + SIDE : at <= -SIDE ? ONE - SIDE : (ONE + 0.5 + at) | 0;
}

/** Where a code lies on the scale, −1 to 1. */
export const scaleShare = (code: number): number => Math.min(1, Math.max(-1, (code - ONE) / SIDE));

/** Where columns begin and end, in steps. A run that is watched every k steps has columns of k steps. */
export interface Columns {
  from: number[];
  to: number[];
}

/** One for each step that is recorded, `bucket` as of `Bands`. */
export function columnsOf(steps: readonly number[], bucket: number): Columns {
  const width = pointWidth(steps, bucket);
  const last = steps.length - 1;
  const to = steps.map((step, i) => (i === last || isGap(steps[i + 1] - step, width) ? step + width : steps[i + 1]));
  // Behind a reduced past, the newest steps come one by one.
  if (last > 0) to[last] = steps[last] + Math.min(width, steps[last] - steps[last - 1]);
  return { from: [...steps], to };
}

/** First pixel of each column, and the one behind its last: at least one for each. */
export function pixelsOf({ from, to }: Columns, width: number): Columns {
  const first = from[0] ?? 0;
  const span = Math.max(1, (to.at(-1) ?? 1) - first);
  const pixel = (step: number) => Math.round(((step - first) / span) * width);
  const begins = from.map((step) => Math.min(width - 1, pixel(step)));
  return { from: begins, to: to.map((step, i) => Math.max(begins[i] + 1, pixel(step))) };
}

/** By the values of a row, which only grow at their end. */
const codesKnown = new WeakMap<readonly Value[], { range: number; codes: number[] }>();

/** Code of each value; kept, as the logarithms take longer than the painting. */
function codesOf(values: readonly Value[], range: number): readonly number[] {
  let known = codesKnown.get(values);
  if (known?.range !== range) {
    known = { range, codes: [] };
    codesKnown.set(values, known);
  }
  const { codes } = known;
  for (let i = codes.length; i < values.length; i++) codes.push(codeOf(values[i], range));
  return codes;
}

/** Codes of all pixels, row by row. Where columns share a pixel, the highest gain is seen. */
export function pixelCodes(rows: readonly Band[], { from, to }: Columns, range: number, width: number): Uint8Array {
  const codes = new Uint8Array(rows.length * width);
  rows.forEach(({ max }, r) => {
    const start = r * width;
    const values = codesOf(max, range);
    for (let i = 0; i < from.length; i++) {
      const code = values[i];
      const end = start + to[i];
      for (let p = start + from[i]; p < end; p++) if (codes[p] < code) codes[p] = code;
    }
  });
  return codes;
}

/** Number of the column at a share (0 to 1) of the width; -1: nothing is there. */
export function columnAt({ from, to }: Columns, share: number): number {
  const first = from[0] ?? 0;
  return columnOfStep({ from, to }, first + share * ((to.at(-1) ?? first) - first));
}

/** Number of the column that holds a step; -1: none. */
export function columnOfStep({ from, to }: Columns, step: number): number {
  const i = from.findLastIndex((begin) => begin <= step);
  return i >= 0 && step < to[i] ? i : -1;
}

/** Between two labels, px: their font is as high. */
const MIN_LABEL_DISTANCE = 10;

/** Every k-th row has a label, so that labels do not touch. */
export const labelEvery = (rowHeight: number): number => Math.max(1, Math.ceil(MIN_LABEL_DISTANCE / rowHeight));
