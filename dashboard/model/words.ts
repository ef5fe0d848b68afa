/** Times and counts of steps in words, for the verdict, the warnings and the runs. Pure; numbers are format.ts. */
import { duration } from './format.ts';

/** Whole steps; above 1000 two digits, as no forecast is better than that. */
export function about(steps: number): string {
  if (!Number.isFinite(steps)) return '∞';
  return String(steps < 1000 ? Math.round(steps) : Number(steps.toPrecision(2)));
}

/** " (90–180)", or " (90 or more)"; "" where it is not known. */
export function range(interval: readonly [low: number, high: number | null] | null): string {
  if (interval === null) return '';
  const [low, high] = interval;
  return high === null || !Number.isFinite(high) ? ` (${about(low)} or more)` : ` (${about(low)}–${about(high)})`;
}

/** "2 min ago". */
export const ago = (time: number, now: number): string => `${long(Math.max(0, now - time) / 1000)} ago`;

/** A duration that may be days. */
export const long = (seconds: number): string => (seconds < 172_800 ? duration(seconds) : `${Math.round(seconds / 86_400)} days`);

// Made once: to make one takes longer than all the words of the page. As in the charts: 13:04, not 1:04 PM.
const TIME = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium', hourCycle: 'h23' });
const DATE_AND_TIME = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium', hourCycle: 'h23' });

/** The time of day; with the date where it is another day. */
export function clockTime(time: number, now: number): string {
  const isToday = new Date(time).toDateString() === new Date(now).toDateString();
  return (isToday ? TIME : DATE_AND_TIME).format(time);
}

/** Of many: "1 step", "120 steps". */
export const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;
