/** Folders and files of a test or a suite, removed at the end. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

const SCRATCH = fileURLToPath(new URL('../artefacts/', import.meta.url));

/** @param atEnd where the end is; of this test unless given */
export function temporaryFolder(atEnd: (act: () => void) => void = onTestFinished): string {
  const folder = mkdtempSync(join(tmpdir(), 'gainwatch-test-'));
  atEnd(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A program inside the package, which it finds by its name. @returns its path */
export function writeProgram(name: string, code: string): string {
  mkdirSync(SCRATCH, { recursive: true });
  const file = join(SCRATCH, `${name}.mjs`);
  writeFileSync(file, code);
  onTestFinished(() => rmSync(file));
  return file;
}
