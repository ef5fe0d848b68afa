/** Numbers, times and counts of steps as words for people. Pure: the time of day is given. */

/** Four digits, whatever the size; an en dash for what is not known. */
export function shown(value: number | null | undefined, digits = 4): string {
  if (value == null) return '–';
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '∞' : '−∞';
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e6 || size < 1e-3)) return value.toExponential(Math.max(0, digits - 2));
  return String(Number(value.toPrecision(digits)));
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** Three digits and a unit: "1.19 MiB"; an en dash for what is not known. */
export function bytes(value: number | null): string {
  if (value === null || !Number.isFinite(value)) return '–';
  const unit = value === 0 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(value) / 10));
  return `${shown(value / 1024 ** unit, 3)} ${UNITS[unit]}`;
}

/** A duration in its largest unit of which there are two at least: "14 s" … "3 days". */
export function duration(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} days`;
}

/**
 * Per cent of a run's time that `seconds` are; null within its first minute: its start weighs too much there, and a run of another process
 * may have ended before it was heard of.
 */
export const shareOfTime = (seconds: number, elapsedMs: number): number | null =>
  elapsedMs < 60_000 ? null : (100_000 * seconds) / elapsedMs;

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

/** "2 min ago"; milliseconds since 1970. */
export const ago = (time: number, now: number): string => `${duration(Math.max(0, now - time) / 1000)} ago`;

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
