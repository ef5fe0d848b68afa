/**
 * Where recordings lie: names of runs, their files, and what is in a folder. Those that were dropped on the page have a folder
 * of their own in it, so that no run ever goes on in one of them.
 */
import { existsSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';

/** A file name on every system, and a label that needs no quoting. Our choice, in openapi.yaml too. */
const MAX_NAME_LENGTH = 64;
const RUN_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const EXTENSION = '.sqlite';

export const RUN_NAME_RULE = 'must be 1 to 64 of A–Z a–z 0–9 . _ - and begin with a letter or digit';

/** Can a run be called so? RUN_NAME_RULE says it in words. */
export const isRunName = (text: string): boolean => RUN_NAME.test(text);

/** @throws if the name cannot be a file name and a label */
export function checkRunName(run: string): void {
  if (!isRunName(run)) {
    throw new Error(`run ${RUN_NAME_RULE}, got ${JSON.stringify(run)}`);
  }
}

/** The file of a run. @throws Error where the name is none */
export function recordingPath(directory: string, run: string): string {
  checkRunName(run);
  return join(directory, run + EXTENSION);
}

const isRecorded = (directory: string, run: string): boolean => isRunName(run) && existsSync(recordingPath(directory, run));

/** The folder of the uploaded recordings in that of the runs; may not exist. */
export const uploadsIn = (directory: string): string => join(directory, 'uploads');

/** Names of all recordings of a folder, uploaded ones too. */
export const listRecordings = (directory: string): string[] => [...new Set([...listRuns(directory), ...listRuns(uploadsIn(directory))])];

export interface FoundRecording {
  path: string;
  uploaded: boolean;
}

/** The recording that goes by this name; one of our own comes before one that was uploaded. */
export function findRecording(directory: string, run: string): FoundRecording | null {
  if (isRecorded(directory, run)) return { path: recordingPath(directory, run), uploaded: false };
  const uploads = uploadsIn(directory);
  return isRecorded(uploads, run) ? { path: recordingPath(uploads, run), uploaded: true } : null;
}

/** The name itself, or NAME-2, NAME-3 …: the first that `isTaken` is not. */
export function freeName(run: string, isTaken: (name: string) => boolean): string {
  for (let number = 1; ; number++) {
    const suffix = number === 1 ? '' : `-${number}`;
    const name = run.slice(0, MAX_NAME_LENGTH - suffix.length) + suffix;
    if (!isTaken(name)) return name;
  }
}

/** A run that is recorded here gets its name even if an uploaded one has it: that one then goes by the next free name. */
export function makeWay(directory: string, run: string): void {
  const uploads = uploadsIn(directory);
  if (!isRecorded(uploads, run)) return;
  const name = freeName(run, (candidate) => candidate === run || findRecording(directory, candidate) !== null);
  try {
    renameSync(recordingPath(uploads, run), recordingPath(uploads, name));
  } catch {
    // Another process was quicker, or may not: ours comes first all the same.
  }
}

/** Names of the runs recorded in a folder; none where there is no such folder. */
export function listRuns(directory: string): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory)
    .filter((file) => file.endsWith(EXTENSION))
    .map((file) => file.slice(0, -EXTENSION.length))
    .filter(isRunName)
    .sort();
}
