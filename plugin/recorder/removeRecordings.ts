/**
 * Keeps a folder of recordings within its limits: looks at each file, decides (retention.ts), removes and says it. Never one that goes on
 * here or in another process. One file at a time, so that nobody who asks waits for it. No timer (upkeep.ts).
 */
import { closeSync, existsSync, fstatSync, ftruncateSync, openSync, rmSync, statSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { type Db, openExclusively, openForReading } from './database.ts';
import { listRuns, recordingPath } from './directory.ts';
import { isAlive } from './read.ts';
import { chooseRemovals, type KeptRecording, type Removal, type RetentionLimits } from './retention.ts';

/** Silence after which a recording may go. Our choice: the silence after which a run is taken to have ended (ingest/lifecycle.ts). */
const MIN_QUIET_MS = 3_600_000;
/** The same, where it is not known how the run ended: it may be gone on with. Our choice: a night and a day of a broken machine. */
const MIN_QUIET_UNKNOWN_MS = 86_400_000;
/** How long a lock is waited for. Our choice: who has it is using the file. */
const LOCK_WAIT_MS = 50;
const BESIDE = ['', '-wal', '-shm'];

/** What is asked of the file, and does not change while the file does not. */
interface FileFacts {
  /** Last change of the file or its log, ms since 1970. */
  changedAt: number;
  bytes: number;
  /** ms since 1970; null: nobody said that it ended. */
  endedAt: number | null;
  /** It ended with an outcome. */
  known: boolean;
  /** Processes that write an attempt of it that has not ended. */
  writers: number[];
}

export interface Retention {
  readonly directory: string;
  readonly limits: RetentionLimits;
  /** Does a run go on in this process, or linger? */
  readonly isHere: (run: string) => boolean;
  readonly now: () => number;
  readonly onProblem: (message: string) => void;
  /** Files that were looked at, by run. */
  readonly known: Map<string, FileFacts>;
  /** It was said that what may not be removed is more than the limit. */
  toldTooMuch: boolean;
}

/** Removes what is over the limits, and says each. @returns what was removed */
export async function removeOld(retention: Retention): Promise<Removal[]> {
  const { directory, limits, known, now } = retention;
  const names = listRuns(directory);
  for (const name of known.keys()) if (!names.includes(name)) known.delete(name);
  const recordings: KeptRecording[] = [];
  for (const name of names) {
    const facts = look(retention, name);
    if (facts !== null) recordings.push(keptOf(retention, name, facts));
    await turn();
  }
  const removed: Removal[] = [];
  for (const removal of chooseRemovals(recordings, limits, now())) {
    if (!remove(retention, removal.name)) continue;
    removed.push(removal);
    retention.onProblem(sentence(removal, limits));
    await turn();
  }
  tellTooMuch(retention, recordings, removed);
  return removed;
}

function tellTooMuch(retention: Retention, recordings: readonly KeptRecording[], removed: readonly Removal[]): void {
  const { maxBytes } = retention.limits;
  const sum = (all: readonly KeptRecording[]) => all.reduce((bytes, recording) => bytes + recording.bytes, 0);
  const left = sum(recordings) - sum(removed);
  const isTooMuch = maxBytes !== null && left > maxBytes;
  if (isTooMuch && !retention.toldTooMuch) {
    retention.onProblem(
      `the recordings have ${left} bytes, more than ${maxBytes} (--max-bytes): what is left goes on, or was written lately`,
    );
  }
  retention.toldTooMuch = isTooMuch;
}

const sentence = ({ name, bytes, endedAt, why }: Removal, { keepDays, maxBytes }: RetentionLimits): string => {
  const reason =
    why === 'age' ? `it ended more than ${keepDays} days ago (--keep-days)` : `all have more than ${maxBytes} bytes (--max-bytes)`;
  return `the recording of run ${name} is removed: ${reason}; it ended ${new Date(endedAt).toISOString()} and had ${bytes} bytes`;
};

const pathsOf = ({ directory }: Retention, name: string): string[] => BESIDE.map((end) => recordingPath(directory, name) + end);

/** null: it is gone, or no recording that this version reads. */
function look(retention: Retention, name: string): FileFacts | null {
  const [file, log] = pathsOf(retention, name).map((path) => statSync(path, { throwIfNoEntry: false }));
  if (file === undefined) return null;
  // Whoever only reads makes an empty log.
  const changedAt = Math.max(file.mtimeMs, log !== undefined && log.size > 0 ? log.mtimeMs : 0);
  const bytes = file.size + (log?.size ?? 0);
  const before = retention.known.get(name);
  if (before?.changedAt === changedAt && before.bytes === bytes) return before;
  try {
    const db = openForReading(recordingPath(retention.directory, name));
    try {
      const facts = { changedAt, bytes, ...factsIn(db) };
      retention.known.set(name, facts);
      return facts;
    } finally {
      db.close();
    }
  } catch {
    return null;
  }
}

function factsIn(db: Db): Pick<FileFacts, 'endedAt' | 'known' | 'writers'> {
  const rows = db.prepare('SELECT pid, outcome, ended_at AS endedAt FROM attempts ORDER BY attempt').all() as {
    pid: number;
    outcome: string | null;
    endedAt: number | null;
  }[];
  const newest = rows.at(-1);
  return {
    endedAt: newest?.endedAt ?? null,
    known: newest !== undefined && newest.outcome !== null && newest.outcome !== 'unknown',
    writers: rows.filter(({ outcome }) => outcome === null).map(({ pid }) => pid),
  };
}

/** One of our own number that is not here is left from a process before this one: in a container all have the same. */
const isElsewhere = (pid: number): boolean => pid !== process.pid && isAlive(pid);

function keptOf({ isHere, now }: Retention, name: string, { changedAt, bytes, endedAt, known, writers }: FileFacts): KeptRecording {
  const quiet = known ? MIN_QUIET_MS : MIN_QUIET_UNKNOWN_MS;
  return { name, bytes, endedAt: endedAt ?? changedAt, live: isHere(name) || writers.some(isElsewhere) || now() - changedAt < quiet };
}

/** @returns whether it is gone */
function remove(retention: Retention, name: string): boolean {
  try {
    const gone = removeRecording(recordingPath(retention.directory, name), (pids) => !retention.isHere(name) && !pids.some(isElsewhere));
    if (gone) retention.known.delete(name);
    return gone;
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    if (code !== 'SQLITE_BUSY') retention.onProblem(`the recording of run ${name} cannot be removed: ${message}`);
    return false;
  }
}

/**
 * Removes a recording; nobody else writes it while it is looked at for the last time.
 * @param mayGo given the processes that write an attempt of it that has not ended
 * @returns whether it was removed; false too where somebody else has removed it
 * @throws what SQLite throws: SQLITE_BUSY where another uses it, SQLITE_NOTADB; what the file system throws
 */
export function removeRecording(path: string, mayGo: (writers: readonly number[]) => boolean): boolean {
  if (!existsSync(path)) return false; // an empty one would be made
  const db = openExclusively(path, LOCK_WAIT_MS);
  try {
    if (!mayGo(factsIn(db).writers)) return false;
    removeFiles(path);
    return true;
  } finally {
    db.exec('ROLLBACK');
    db.close();
  }
}

/** Without looking. The file first: a log without its file is nothing, a file without its log lacks its last steps. */
export function removeFiles(path: string): void {
  for (const beside of BESIDE) removeFile(path + beside);
}

/**
 * Takes a file from the disk with its bytes: libsql keeps what it has read open until the next garbage collection, and the bytes with it.
 * One that has another name too (a backup of hard links) keeps them.
 */
function removeFile(path: string): void {
  let file: number | null = null;
  try {
    file = openSync(path, 'r+');
  } catch {
    // Not there, or not to be written; it may be removed all the same.
  }
  rmSync(path, { force: true });
  if (file === null) return;
  if (!path.endsWith('-shm') && fstatSync(file).nlink === 0) ftruncateSync(file, 0); // -shm is mapped into memory
  closeSync(file);
}
