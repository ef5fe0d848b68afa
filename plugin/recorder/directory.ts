/** Where recordings lie: names of runs, their files, and what is in a folder. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const RUN_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const EXTENSION = '.sqlite';

export const isRunName = (text: string): boolean => RUN_NAME.test(text);

/** @throws if the name cannot be a file name and a label */
export function checkRunName(run: string): void {
  if (!isRunName(run)) {
    throw new Error(`run must be 1 to 64 of A–Z a–z 0–9 . _ - and begin with a letter or digit, got ${JSON.stringify(run)}`);
  }
}

export function recordingPath(directory: string, run: string): string {
  checkRunName(run);
  return join(directory, run + EXTENSION);
}

export const isRecorded = (directory: string, run: string): boolean => isRunName(run) && existsSync(recordingPath(directory, run));

/** Names of the runs recorded in a folder; none where there is no such folder. */
export function listRuns(directory: string): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory)
    .filter((file) => file.endsWith(EXTENSION))
    .map((file) => file.slice(0, -EXTENSION.length))
    .filter(isRunName)
    .sort();
}
