/** Where an axis ends and has its ticks, and what stands there: powers of ten, and the time of day. Pure. */
import type { Value } from './bands.ts';
import { shown } from './format.ts';
import type { Extent, Line } from './lines.ts';

/** Smallest and largest number of some lines, and of `others`; on a log axis only what is above 0. null: there is none. */
export function extentOf(lines: readonly Line[], log: boolean, others: readonly number[] = []): Extent | null {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  const widen = (value: Value) => {
    if (value === null || !Number.isFinite(value) || (log && value <= 0)) return;
    if (value < min) min = value;
    if (value > max) max = value;
  };
  for (const { y, low, high, band } of lines) {
    if (!band) for (const value of y) widen(value);
    if (low !== undefined && high !== undefined) {
      for (const value of low) widen(value);
      for (const value of high) widen(value);
    }
  }
  for (const value of others) widen(value);
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

/** What rounding may take from a tick at the end of an axis, as a share. */
const SLACK = 1e-9;

function multiples({ min, max }: Extent, count: number): number[] {
  const rough = (max - min) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10);
  const ticks: number[] = [];
  for (let i = Math.ceil(min / step - SLACK); i * step <= max * (1 + SLACK); i++) ticks.push(Number((i * step).toPrecision(12)));
  return ticks;
}

/** Steps over a width in pixels. */
export interface StepAxis {
  from: number;
  to: number;
  width: number;
}

/** Where a step lies, px from the left end. */
export const stepPixel = ({ from, to, width }: StepAxis, step: number): number => ((step - from) / Math.max(1, to - from)) * width;

/** Round steps; only whole ones. */
export const stepTicks = (extent: Extent, count: number): number[] => multiples(extent, count).filter(Number.isInteger);

/** Powers of ten; with 2 and 5 between them where these are few, and even steps within one decade. At most about ten. */
export function logTicks({ min, max }: Extent): number[] {
  const from = Math.ceil(Math.log10(min) - SLACK);
  const to = Math.floor(Math.log10(max) + SLACK);
  const decades = Math.log10(max / min);
  if (decades < 0.7) return multiples({ min, max }, 5);
  const every = Math.max(1, Math.ceil(decades / 9));
  const factors = decades < 3.5 ? [1, 2, 5] : [1];
  const ticks: number[] = [];
  for (let power = Math.ceil((from - 1) / every) * every; power <= to; power += every) {
    for (const factor of factors) {
      const tick = Number(`${factor}e${power}`);
      if (tick >= min * (1 - SLACK) && tick <= max * (1 + SLACK)) ticks.push(tick);
    }
  }
  return ticks;
}

/** Short, for an axis: 1e5 rather than 100000. */
export function tickLabel(value: number): string {
  const size = Math.abs(value);
  return size !== 0 && (size >= 1e5 || size < 1e-3) ? value.toExponential().replace('+', '') : shown(value);
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const EVERY = [1, 2, 5, 10, 15, 30]
  .map((n) => n * SECOND)
  .concat(
    [1, 2, 5, 10, 15, 30].map((n) => n * MINUTE),
    [1, 2, 3, 6, 12].map((n) => n * HOUR),
    [1, 2, 7, 14, 28, 91, 182, 364].map((n) => n * DAY),
  );

/** Round times of day, of the place where the page is read. */
export function timeTicks({ min, max }: Extent, count = 6): { value: number; label: string }[] {
  const every = EVERY.find((step) => (max - min) / step <= count) ?? EVERY[EVERY.length - 1];
  const away = new Date(min).getTimezoneOffset() * MINUTE;
  const ticks: { value: number; label: string }[] = [];
  for (let i = Math.ceil((min - away) / every); i * every + away <= max; i++) {
    const value = i * every + away;
    ticks.push({ value, label: timeLabel(value, every) });
  }
  return ticks;
}

const two = (n: number) => String(n).padStart(2, '0');

/** As exact as `every` (milliseconds) needs. */
export function timeLabel(time: number, every = SECOND): string {
  const at = new Date(time);
  const day = `${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  if (every >= DAY) return day;
  const minute = `${two(at.getHours())}:${two(at.getMinutes())}`;
  if (every >= HOUR) return `${day} ${minute}`;
  return every >= MINUTE ? minute : `${minute}:${two(at.getSeconds())}`;
}
