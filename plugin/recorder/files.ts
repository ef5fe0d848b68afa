/**
 * The files of recordings as files: who may read what we make, and how one is reached where nothing may be written. No database, no
 * names of runs (directory.ts).
 */
import { accessSync, closeSync, constants, existsSync, mkdirSync, openSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/** A training's name, losses and figures are its owner's: nobody else reads them. Of what exists already, nothing is changed. */
export const PRIVATE_FILE = 0o600;
const PRIVATE_FOLDER = 0o700;

/** Makes a folder, and those above it, where they are missing. @throws what mkdir throws */
export function createFolder(path: string): void {
  mkdirSync(path, { recursive: true, mode: PRIVATE_FOLDER });
}

/**
 * Makes an empty file where there is none: SQLite fills it, and gives the files beside it its mode. One that exists is not opened, as
 * closing it would end the locks that SQLite has on it in this process. What cannot be made is SQLite's to say.
 */
export function createPrivately(path: string): void {
  try {
    closeSync(openSync(path, 'wx', PRIVATE_FILE));
  } catch {
    // There already, or it cannot be made.
  }
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * By what SQLite opens a database for reading. One in WAL mode, though only read, gets files beside it; where the folder takes none and
 * no log stands there, nobody writes it, and it is read as it is (immutable).
 */
export function readOnlyAddress(path: string): string {
  const log = statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0;
  if (log > 0 || existsSync(`${path}-shm`) || isWritable(dirname(path))) return path;
  return `file:${resolve(path).split('/').map(encodeURIComponent).join('/')}?immutable=1`;
}
