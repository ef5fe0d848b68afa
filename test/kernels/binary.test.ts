/** Is the committed wasm module what its source gives? */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

test('binary.ts is what assembly/ builds to', async () => {
  const build = fileURLToPath(new URL('../../src/kernels/wasm/build.mjs', import.meta.url));
  await expect(promisify(execFile)(process.execPath, [build, '--check'])).resolves.toBeDefined();
});
