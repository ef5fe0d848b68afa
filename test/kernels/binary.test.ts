/** Are the generated files of the wasm module what their sources give? */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

test('binary.ts, functions.ts and sinkhorn4.ts are what build.mjs makes of their sources', async () => {
  const build = fileURLToPath(new URL('../../src/kernels/wasm/build.mjs', import.meta.url));
  await expect(promisify(execFile)(process.execPath, [build, '--check'])).resolves.toBeDefined();
});
