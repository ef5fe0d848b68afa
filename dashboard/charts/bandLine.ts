/** A line of a chart from a series of minima and maxima. Pure. */
import { type Band, type Bands, smoothed } from '../series.ts';
import { type Line, reported } from './lines.ts';

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
  /** Does the run report it at all? */
  isReported?: boolean;
}

/** Where buckets are reduced, or the line is smoothed, the minima and maxima stay as a band behind it. */
export function bandLine({ steps, times, bucket }: Bands, { min, max }: Pick<Band, 'min' | 'max'>, look: Look): Line {
  const { value, smooth, log, isReported = true, ...rest } = look;
  const raw = value === 'largest' || bucket === 1 ? max : max.map((high, i) => (log ? Math.sqrt(high * min[i]) : (high + min[i]) / 2));
  const y = reported(smooth > 0 ? smoothed(raw, smooth, log) : raw, isReported);
  return { ...rest, steps, times, y, ...(smooth > 0 || bucket > 1 ? { low: min, high: max } : {}) };
}
