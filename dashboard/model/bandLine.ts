/** A line of a chart from a series of minima and maxima. Pure. */
import { type Band, type Bands, pointWidth, smoothed, type Value } from './bands.ts';
import type { Line } from './lines.ts';

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
