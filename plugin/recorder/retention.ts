/**
 * Which recordings have been kept long enough: pure decision over what is known of each. upkeep.ts looks at the files and removes them.
 */

/** A recording of the folder; uploads are none of these: they have a bound of their own (plugin/upload). */
export interface KeptRecording {
  /** Of the run. */
  name: string;
  /** With its log. */
  bytes: number;
  /** Milliseconds since 1970 by this machine's clock, never a sender's. */
  endedAt: number;
  /** It goes on, or may still be gone on with: never removed. */
  live: boolean;
}

/** null: no bound. */
export interface RetentionLimits {
  keepDays: number | null;
  /** Of all recordings of the folder. */
  maxBytes: number | null;
}

export interface Removal extends KeptRecording {
  /** Which limit it is over. */
  why: 'age' | 'size';
}

export const DAY_MS = 86_400_000;

/** The ended ones that are over a limit, oldest first; of two of the same time by name. @param now ms since 1970 */
export function chooseRemovals(recordings: readonly KeptRecording[], { keepDays, maxBytes }: RetentionLimits, now: number): Removal[] {
  const ended = recordings.filter(({ live }) => !live).sort((a, b) => a.endedAt - b.endedAt || (a.name < b.name ? -1 : 1));
  let total = recordings.reduce((sum, { bytes }) => sum + bytes, 0);
  const removals: Removal[] = [];
  for (const recording of ended) {
    const isOld = keepDays !== null && now - recording.endedAt > keepDays * DAY_MS;
    if (!isOld && (maxBytes === null || total <= maxBytes)) break;
    removals.push({ ...recording, why: isOld ? 'age' : 'size' });
    total -= recording.bytes;
  }
  return removals;
}
