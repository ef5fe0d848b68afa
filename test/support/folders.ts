/** A folder of its own for a test or a suite, removed at the end. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** @param atEnd where the end is; of this test unless given */
export function temporaryFolder(atEnd: (act: () => void) => void = onTestFinished): string {
  const folder = mkdtempSync(join(tmpdir(), 'gainwatch-test-'));
  atEnd(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
