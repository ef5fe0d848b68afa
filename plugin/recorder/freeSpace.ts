/**
 * In what time a disk is full if it goes on filling as now: pure arithmetic over measured points. upkeep.ts measures, the metrics and
 * the log tell.
 */

/** How far back is looked. Our choice: long enough that a burst is not taken for the trend. */
const WINDOW_MS = 1_800_000;
/** From how much of a look back a time is told. Our choice: a disk that fills within minutes must be told. */
const MIN_WINDOW_MS = 120_000;
/** Less is none: a commit needs some MB of log beside the recording (SQLite's checkpoint at 1000 pages of 4 KiB). Our choice. */
const MIN_FREE_BYTES = 16 * 2 ** 20;

interface Point {
  /** Milliseconds of a clock that never jumps. */
  at: number;
  free: number;
}

/** What is known of a disk. */
export interface FreeSpace {
  points: Point[];
  /** How many of WARN_SECONDS have been told and still hold. */
  told: number;
}

/** Nothing measured yet. */
export const createFreeSpace = (): FreeSpace => ({ points: [], told: 0 });

/** Adds what is free now. @param at milliseconds of a clock that never jumps @param free bytes */
export function addFree(space: FreeSpace, at: number, free: number): void {
  space.points = [...space.points.filter((point) => at - point.at <= WINDOW_MS), { at, free }];
}

/** Bytes; null: never measured. */
export const freeBytes = ({ points }: FreeSpace): number | null => points.at(-1)?.free ?? null;

const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1];

/**
 * Seconds until nothing is free, by the median of the slopes between any two points (Theil–Sen), which a file that is made and removed
 * does not move. +Inf: it does not decline.
 * @param windowMs how far back; the answer is null where less is known
 */
export function timeLeftSeconds({ points }: FreeSpace, windowMs = MIN_WINDOW_MS): number | null {
  const newest = points.at(-1);
  if (newest === undefined) return null;
  if (newest.free < MIN_FREE_BYTES) return 0;
  if (newest.at - points[0].at < windowMs) return null;
  const slopes = points.flatMap((a, i) => points.slice(i + 1).map((b) => (b.free - a.free) / (b.at - a.at)));
  const slope = median(slopes);
  return slope < 0 ? newest.free / -slope / 1000 : Number.POSITIVE_INFINITY;
}

/** Time left that is told, seconds, and the look back that it needs. Our choice: a burst of two minutes says nothing about tomorrow. */
const WARN_SECONDS = [
  { seconds: 86_400, windowMs: 0.9 * WINDOW_MS },
  { seconds: 3600, windowMs: 300_000 },
  { seconds: 300, windowMs: MIN_WINDOW_MS },
];
/** How far above a limit the time left must be before it is told again. Our choice. */
const RECOVERY = 2;

/** Notes what is to be told now. @returns the time left, seconds, where it has fallen below one more of the limits; null: nothing new */
export function noteTold(space: FreeSpace): number | null {
  const left = WARN_SECONDS.map(({ windowMs }) => timeLeftSeconds(space, windowMs));
  const isBelow = (i: number, factor = 1) => (left[i] ?? Number.POSITIVE_INFINITY) < factor * WARN_SECONDS[i].seconds;
  while (space.told > 0 && left[space.told - 1] !== null && !isBelow(space.told - 1, RECOVERY)) space.told--;
  const below = WARN_SECONDS.findLastIndex((_, i) => isBelow(i)) + 1;
  if (below <= space.told) return null;
  space.told = below;
  return left[below - 1];
}

/** "2 h", "50 min", "40 s". */
export function spanPhrase(seconds: number): string {
  if (seconds >= 7200) return `${Math.round(seconds / 3600)} h`;
  return seconds >= 120 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds)} s`;
}
