/** Programs that a test writes and runs, inside the package: they find it by its name. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

const SCRATCH = fileURLToPath(new URL('../artefacts/', import.meta.url));

/** @returns the path of the module, which is removed at the end of the test */
export function writeProgram(name: string, code: string): string {
  mkdirSync(SCRATCH, { recursive: true });
  const file = join(SCRATCH, `${name}.mjs`);
  writeFileSync(file, code);
  onTestFinished(() => rmSync(file));
  return file;
}
