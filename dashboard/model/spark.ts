/** Small charts of one series as paths of an SVG: line, band, and marks where a value is no number. Pure; knows no document. */
import { type Bands, isGap, pointWidth, type Value } from './bands.ts';
import { stepPixel } from './ticks.ts';

export interface Size {
  width: number;
  height: number;
}

export interface Spark {
  /** Through the maxima; broken where a step is missing, or a value is no number. */
  line: string;
  /** From minimum to maximum. */
  band: string;
  /** Where a value is NaN or infinite: x. */
  broken: number[];
  low: number;
  high: number;
  log: boolean;
  /** At the step asked about; null: not known there. */
  at: number | null;
}

/** A positive series that spans more than a decade is drawn over a logarithmic axis. */
const MIN_LOG_SPAN = 10;
/** Above and below the line, px, so that its stroke is not cut off. */
const ROOM = 2;
/** What changes less, beside its size, is a flat line in the middle: the digits of a float32. */
const MIN_CHANGE = 1e-6;

const round = (pixels: number): number => Math.round(pixels * 10) / 10;

/** Smallest and largest finite one, and where a value between lies: 0 to 1. */
function scaleOf(values: readonly Value[]) {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    if (value === null || !Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  const log = low > 0 && high / low > MIN_LOG_SPAN;
  const flat = high - low <= MIN_CHANGE * Math.max(Math.abs(high), Math.abs(low));
  const at = (value: number) => {
    if (flat) return 0.5;
    return log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
  };
  return { low, high, log, at };
}

/** Positions of the points of each stretch that a line goes through: null is no point; a missing step or no number ends it. */
function stretchesOf({ steps, bucket }: Pick<Bands, 'steps' | 'bucket'>, min: readonly Value[], max: readonly Value[]): number[][] {
  const width = pointWidth(steps, bucket);
  const stretches: number[][] = [];
  let open: number[] | null = null;
  for (let i = 0; i < steps.length; i++) {
    if (i > 0 && isGap(steps[i] - steps[i - 1], width)) open = null;
    if (min[i] === null || max[i] === null) continue;
    if (!Number.isFinite(min[i]) || !Number.isFinite(max[i])) open = null;
    else {
      if (open === null) {
        open = [];
        stretches.push(open);
      }
      open.push(i);
    }
  }
  return stretches;
}

/** A single point gets a length, else nothing of it would show. */
const pathOf = (points: readonly string[]): string => (points.length === 1 ? `M${points[0]}h1` : `M${points.join('L')}`);

/** The first band over the steps `from` to `to`, with its value at `step`; null: nothing to draw. */
export function sparkOf(bands: Bands, step: number, from: number, to: number, size: Size): Spark | null {
  const { steps, bucket } = bands;
  const [first] = bands.bands;
  if (first === undefined || steps.length === 0) return null;
  const { min, max } = first;
  const { low, high, log, at } = scaleOf([...min, ...max]);
  const x = (i: number) => round(stepPixel({ from, to, width: size.width }, steps[i]));
  const point = (i: number, value: Value) => `${x(i)} ${round(ROOM + (size.height - 2 * ROOM) * (1 - at(value!)))}`;
  const stretches = stretchesOf(bands, min, max);
  const isBroken = (value: Value) => value !== null && !Number.isFinite(value);
  const wide = bucket > 1 ? stretches.filter(({ length }) => length > 1) : [];
  const near = steps.findLastIndex((each, i) => each <= step && max[i] !== null);
  return {
    line: stretches.map((stretch) => pathOf(stretch.map((i) => point(i, max[i])))).join(''),
    band: wide
      .map((stretch) => [...stretch.map((i) => point(i, max[i])), ...stretch.toReversed().map((i) => point(i, min[i]))])
      .map((outline) => `${pathOf(outline)}z`)
      .join(''),
    broken: [...steps.keys()].filter((i) => isBroken(max[i]) || isBroken(min[i])).map(x),
    low,
    high,
    log,
    at: near < 0 || step - steps[near] > 2 * pointWidth(steps, bucket) ? null : max[near],
  };
}

/** The maxima of the first band as an SVG path within the size; '': nothing to draw. */
export function sparkPath(bands: Bands, { width, height }: Size): string {
  const { steps } = bands;
  const [band] = bands.bands;
  if (band === undefined) return '';
  const { max } = band;
  const { at } = scaleOf(max);
  const across = width / Math.max(1, steps[steps.length - 1] - steps[0]);
  const point = (i: number) => `${round((steps[i] - steps[0]) * across)} ${round(height * (1 - at(max[i]!)))}`;
  const stretches = stretchesOf(bands, max, max);
  // A single point is no course.
  return stretches.every(({ length }) => length < 2) ? '' : stretches.map((stretch) => pathOf(stretch.map(point))).join('');
}
