/**
 * Does a recording that is written still lie where it was opened, with its log? SQLite does not notice what others delete, move or empty,
 * and goes on into files that nobody finds.
 */
import { closeSync, openSync, readSync, realpathSync, statSync } from 'node:fs';
import type { Db } from './database.ts';

/** Which files lie there, as text: '' for one that is missing or has nothing in it that can be read. */
export type FilesAt = readonly [own: string, log: string];

/** A recording that is written. */
interface Placed {
  readonly path: string;
  /** Which files that were when it was opened. */
  readonly files: FilesAt;
  readonly db: Db;
}

/** Of a recording and its log. */
export function filesAt(path: string): FilesAt {
  const [own, log] = [path, logOf(path)].map((one) => statSync(one, { throwIfNoEntry: false }));
  const textOf = (file: typeof own) => (file === undefined ? '' : `${file.dev}:${file.ino}`);
  return [own?.size === 0 ? '' : textOf(own), isCut(logOf(path)) ? '' : textOf(log)];
}

/** Beside the file itself, where a link leads to it. */
function logOf(path: string): string {
  try {
    return `${realpathSync(path)}-wal`;
  } catch {
    return `${path}-wal`;
  }
}

/** What SQLite's logs begin with, but for the last bit. */
const LOG_MAGIC = 0x377f0682;

/** Was a log emptied by others? What is written goes on behind a hole then. SQLite has no locks on this file that closing it would end. */
function isCut(log: string): boolean {
  const head = Buffer.alloc(4);
  try {
    const file = openSync(log, 'r');
    try {
      return readSync(file, head) > 0 && (head.readUInt32BE() & ~1) !== LOG_MAGIC;
    } finally {
      closeSync(file);
    }
  } catch {
    return false; // not there, or no handle is left
  }
}

/** Do the file and its log still lie where they were opened? What was deleted, moved or emptied takes commits that nobody will find. */
export const isInPlace = ({ path, files }: Placed): boolean => filesAt(path).every((file, i) => file !== '' && file === files[i]);

/** Closes the file as it is. */
export const abandonRecording = ({ db }: Placed): void => {
  db.close();
};

/** Closes a file that is not in place. What only its log has goes into it, where that can: nobody else finds a log that was deleted. */
export function abandonLost({ db, path }: Placed): void {
  try {
    if (!isCut(logOf(path))) db.pragma('wal_checkpoint(TRUNCATE)');
  } finally {
    db.close();
  }
}
