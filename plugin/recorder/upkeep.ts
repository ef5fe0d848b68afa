/**
 * What is done for a folder of recordings beside its runs: old recordings are removed (removeRecordings.ts), the free space of its disk is
 * measured (freeSpace.ts). Timers and the disk; decides nothing itself. Loads no SQLite unless something is to be removed.
 */
import { existsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { addFree, createFreeSpace, type FreeSpace, freeBytes, noteTold, spanPhrase, timeLeftSeconds } from './freeSpace.ts';
import type { Retention } from './removeRecordings.ts';
import type { RetentionLimits } from './retention.ts';

/** Our choice. */
const MEASURE_INTERVAL_MS = 30_000;
/** Our choice: a run writes some MB in it. */
const REMOVE_INTERVAL_MS = 300_000;

export interface UpkeepOptions extends RetentionLimits {
  directory: string;
  /** Does a run go on in this process, or linger? */
  isHere: (run: string) => boolean;
  /** Gets the name of a run whose recording was removed. */
  onRemoved: (run: string) => void;
  onProblem: (message: string) => void;
}

export interface Upkeep {
  /** What is known of the disk now; null: not known yet. */
  disk(): { freeBytes: number | null; timeLeftSeconds: number | null };
  start(): void;
  close(): void;
}

/** What goes on from its start until it is closed. What fails is said, and tried again. */
export function createUpkeep(options: UpkeepOptions): Upkeep {
  const space = createFreeSpace();
  const timers: NodeJS.Timeout[] = [];
  return {
    disk: () => ({ freeBytes: freeBytes(space), timeLeftSeconds: timeLeftSeconds(space) }),
    start: () => {
      timers.push(every(MEASURE_INTERVAL_MS, () => measure(space, options)));
      if (options.keepDays !== null || options.maxBytes !== null) timers.push(every(REMOVE_INTERVAL_MS, removal(options)));
    },
    close: () => {
      for (const timer of timers) clearInterval(timer);
    },
  };
}

/** At once, and then every so often, one after the other. */
function every(ms: number, act: () => Promise<void>): NodeJS.Timeout {
  let running = false;
  const once = () => {
    if (running) return;
    running = true;
    void act().finally(() => {
      running = false;
    });
  };
  once();
  return setInterval(once, ms);
}

/** Where the folder will be made. */
function existing(path: string): string {
  const whole = resolve(path);
  return existsSync(whole) || dirname(whole) === whole ? whole : existing(dirname(whole));
}

async function measure(space: FreeSpace, { directory, onProblem }: UpkeepOptions): Promise<void> {
  let free: number;
  try {
    const { bavail, bsize } = await statfs(existing(directory));
    free = bavail * bsize;
  } catch {
    return; // It is gone, or of a system that does not say: nothing is known.
  }
  addFree(space, performance.now(), free);
  const left = noteTold(space);
  if (left === null) return;
  const when = left === 0 ? 'has too little room for recordings' : `is full in about ${spanPhrase(left)} if it goes on so`;
  onProblem(
    `the disk of ${directory} ${when}: ${Math.round((freeBytes(space) ?? 0) / 2 ** 20)} MiB are free. gainwatch serve --keep-days and ` +
      '--max-bytes remove old recordings',
  );
}

/** A clock that is set changes no age: it goes on from what it was at the start. */
function steadyClock(): () => number {
  const startedAt = Date.now() - performance.now();
  return () => startedAt + performance.now();
}

function removal({ directory, keepDays, maxBytes, isHere, onRemoved, onProblem }: UpkeepOptions): () => Promise<void> {
  const limits = { keepDays, maxBytes };
  const retention: Retention = { directory, limits, isHere, now: steadyClock(), onProblem, known: new Map(), toldTooMuch: false };
  return async () => {
    try {
      const { removeOld } = await import('./removeRecordings.ts');
      for (const { name } of await removeOld(retention)) onRemoved(name);
    } catch (error) {
      onProblem(`old recordings cannot be removed: ${(error as Error).message}`);
    }
  };
}
