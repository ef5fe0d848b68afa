/** What SQLite and the file system refuse, as an answer may say it: no path, but the name of the file. */
import { existsSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { FieldError, short } from './fieldError.ts';

/**
 * Why a recording cannot be read, as an answer may say it: 404 where it has just been removed, 503 where it is locked, 500 otherwise. An
 * error that is none of the file comes back as it is.
 * @param path that the error may name: only the name of the file stays
 */
export function toReadError(error: unknown, path: string, run: string): unknown {
  if (error instanceof FieldError || !(error instanceof Error)) return error;
  if (isLocked(error)) return new FieldError('run', 'is locked by another process, try again', run, 503);
  if (!existsSync(path)) return new FieldError('run', 'must be one of /api/v1/runs', run, 404);
  if (!error.message.includes(path) && !/^SQLITE_/.test(String((error as { code?: unknown }).code))) return error;
  const reason = error.message.replaceAll(path, basename(path)).replaceAll(dirname(path), '…');
  const refusal = new FieldError('run', `has a recording that cannot be read: ${short(reason)}`, run, 500);
  return Object.assign(refusal, { cause: error }); // with the path, for the log
}

/** Does SQLite wait for another process? */
const isLocked = (error: unknown): boolean => /^SQLITE_(BUSY|LOCKED)/.test(String((error as { code?: unknown }).code));

/** What a disk or a folder refuses with: by the code of the system, or SQLite's. */
const REFUSALS: Record<string, [status: number, why: string]> = {
  ENOSPC: [507, 'the disk is full'],
  EDQUOT: [507, 'the quota is used up'],
  SQLITE_FULL: [507, 'the disk is full'],
  EACCES: [503, 'the folder of the recordings may not be written'],
  EPERM: [503, 'the folder of the recordings may not be written'],
  EROFS: [503, 'the folder of the recordings may not be written'],
  SQLITE_READONLY: [503, 'the recording may not be written'],
  SQLITE_CANTOPEN: [503, 'the recording may not be opened'],
  SQLITE_IOERR: [503, 'the disk fails'],
  EIO: [503, 'the disk fails'],
  EMFILE: [503, 'too many files are open'],
  ENFILE: [503, 'too many files are open'],
  ENOTDIR: [503, 'the folder of the recordings is none'],
};

/**
 * The refusal of a disk or a folder; any other error comes back as it is.
 * @param field what was to be written
 * @param rule without the reason
 */
export function toWriteError(error: unknown, field: string, rule: string, value: unknown): unknown {
  const code = String((error as { code?: unknown }).code);
  const known = Object.entries(REFUSALS).find(([name]) => code === name || code.startsWith(`${name}_`));
  if (known === undefined) return error;
  const [, [status, why]] = known;
  return new FieldError(field, `${rule}: ${why}`, value, status);
}
