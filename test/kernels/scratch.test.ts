/** The functions of the wasm module write to no more scratch than they ask for: behind it lies another tensor of TF.js's heap. */
import { beforeEach, expect, test } from 'vitest';
import { BINARY } from '../../src/kernels/wasm/binary.ts';
import type { Functions } from '../../src/kernels/wasm/functions.ts';

const memory = new WebAssembly.Memory({ initial: 64 });
const { exports } = new WebAssembly.Instance(new WebAssembly.Module(Buffer.from(BINARY, 'base64')), { env: { memory } });
const functions = exports as unknown as Functions;
/** Tensors lie before it, scratch begins there, and so many bytes behind it have this value. */
const [SCRATCH, GUARD_BYTES, GUARD] = [2 ** 21, 2 ** 16, 0xa5];

let end = 0;
/** A new tensor of so many ones. */
function tensor(floats: number): number {
  const at = end;
  new Float32Array(memory.buffer, at, floats).fill(1);
  end += 16 * Math.ceil(floats / 4);
  return at;
}
const tensors = (...sizes: number[]) => sizes.map(tensor);

beforeEach(() => {
  end = 16;
});

function expectWithin(bytes: number, run: (scratch: number) => void): void {
  const behind = new Uint8Array(memory.buffer, SCRATCH + bytes, GUARD_BYTES).fill(GUARD);
  run(SCRATCH);
  expect(end).toBeLessThan(SCRATCH);
  expect(behind.findIndex((byte) => byte !== GUARD)).toBe(-1);
}

test.each([1, 2, 3, 4, 5, 8])('coefficients and Sinkhorn, n = %i', (n) => {
  const [T, width] = [7, n * n + 2 * n];
  const [p, dp, s, ds, alpha, dAlpha, b, db] = tensors(T * width, T * width, T * n, T * n, 3, 3, width, width);
  const [pre, post, res, out] = tensors(T * n, T * n, T * n * n, T * n * n);
  expectWithin(functions.manifoldMapsGradientScratch(n), (work) =>
    functions.manifoldMapsGradient(p, s, alpha, b, pre, post, res, dp, ds, dAlpha, db, T, n, work),
  );
  expectWithin(functions.hyperMapsGradientScratch(n), (work) =>
    functions.hyperMapsGradient(p, s, alpha, pre, post, res, dp, ds, dAlpha, db, T, n, work),
  );
  expectWithin(functions.sinkhornScratch(n), (work) => functions.sinkhorn(res, out, T, n, 3, false, 0, work));
  for (const deepseek of [false, true]) {
    expectWithin(functions.sinkhornGradientScratch(n, 3, deepseek), (work) =>
      functions.sinkhornGradient(res, res, out, T, n, 3, deepseek, 0, work),
    );
  }
});

test.each([
  [5, 3],
  [16, 8],
  [36, 15],
  [256, 24],
])('project, K = %i, M = %i', (k, m) => {
  const rows = 67;
  const [x, dx, w, dw, p, s] = tensors(rows * k, rows * k, k * m, k * m, rows * m, rows);
  expectWithin(functions.projectScratch(k, m), (work) => functions.project(x, w, p, s, rows, k, m, 1e-6, work));
  expectWithin(functions.projectGradientScratch(k, m), (work) =>
    functions.projectGradient(x, w, s, p, s, x, dx, dw, rows, k, m, work, 0, 0, 1),
  );
});

test.each([1, 31, 70])('attention and products, T = %i', (time) => {
  const [qkv, dQkv, probabilities, dy] = tensors(24 * time, 24 * time, 2 * time * time, 8 * time);
  const scores = SCRATCH + functions.matMulScratch();
  expectWithin(functions.attentionGradientScratch(time), (work) =>
    functions.attentionGradient(qkv, probabilities, dy, dQkv, 1, time, 2, 4, work, scores),
  );
  const size = 4 * time + 1;
  const [a, c] = tensors(size * size, size * size);
  expectWithin(functions.matMulScratch(), (work) => functions.matMul(a, size, true, a, size, true, c, size, false, size, size, size, work));
});
