/**
 * One `gainwatch serve` for a folder: a second one would take the steps of the same runs, each with its own picture of what is known.
 * The lock is the kernel's, on an empty file (SQLite's BEGIN EXCLUSIVE): gone with its process, however that ends, and the same for
 * containers on one machine. Who has it stands in a text beside it, which only informs. Processes with `watch()` share a folder
 * without it: each writes runs of its own.
 *
 * On a network file system it is as good as the locks there: NFSv4 has them, and NFSv3 with lockd; mounted with `nolock` or
 * `local_lock` two machines do not see each other.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { type Db, openExclusively } from './database.ts';
import { PRIVATE_FILE } from './files.ts';

/** How long one that is ending is waited for, as at a restart. Our choice: it sends its last notices meanwhile. */
const MAX_WAIT_MS = 2000;

/** Who has a folder. */
export interface Holder {
  pid: number;
  host: string;
  /** Of its dashboard; null: it does not listen yet. */
  url: string | null;
  /** ISO 8601. */
  since: string;
}

export interface ServeLock {
  /** Says in the text where the server is. */
  announce(url: string): void;
  release(): void;
}

/** A database that nobody refers to is closed as garbage, and its lock gone. */
const held = new Set<Db>();

const LOCK = '.serve.lock';
const TEXT = '.serve.json';

/**
 * Takes the lock of a folder.
 * @param time ms since 1970, for the text
 * @returns null where the folder takes no lock (it may not be written, or has no locks), after saying so: nothing can be recorded in it
 * @throws Error where another server has it, naming that one
 */
export function takeServeLock(directory: string, time: number, onProblem: (message: string) => void): ServeLock | null {
  try {
    const db = openExclusively(join(directory, LOCK), MAX_WAIT_MS, 'PRAGMA journal_mode = MEMORY'); // no file beside it
    held.add(db);
    const holder: Holder = { pid: process.pid, host: hostname(), url: null, since: new Date(time).toISOString() };
    writeHolder(directory, holder);
    return {
      announce: (url) => writeHolder(directory, { ...holder, url }),
      release: () => {
        rmSync(join(directory, TEXT), { force: true });
        db.exec('ROLLBACK');
        db.close();
        held.delete(db);
      },
    };
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    if (code === 'SQLITE_BUSY') throw new Error(refusal(directory, readHolder(directory)));
    onProblem(`the folder ${directory} takes no lock (${message}): make sure that no other gainwatch serve has it`);
    return null;
  }
}

function refusal(directory: string, holder: Holder | null): string {
  const who =
    holder === null
      ? ''
      : `, process ${holder.pid} on ${holder.host}${holder.url === null ? '' : `, ${holder.url}`}, since ${holder.since}`;
  return `the folder ${directory} has a gainwatch serve already${who}: use that one, stop it, or give another folder (--runs)`;
}

/** It only informs: where it cannot be written, a second server is refused all the same. */
function writeHolder(directory: string, holder: Holder): void {
  try {
    writeFileSync(join(directory, TEXT), `${JSON.stringify(holder)}\n`, { mode: PRIVATE_FILE });
  } catch {
    // A full disk.
  }
}

function readHolder(directory: string): Holder | null {
  try {
    return JSON.parse(readFileSync(join(directory, TEXT), 'utf8')) as Holder;
  } catch {
    return null;
  }
}
