/**
 * accelerate(tf) as a whole: it takes back exactly what it put in, and what it puts in is deterministic, leaks nothing and survives
 * growth.
 */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { afterEach, beforeAll, expect, test, vi } from 'vitest';
import { accelerate } from '../../src/kernels/accelerate.ts';
import { createTraining, lossesOf } from '../support/smallTraining.ts';

const kernels = () => new Map(['cpu', 'wasm'].flatMap((b) => tf.getKernelsForBackend(b).map((k) => [`${b} ${k.kernelName}`, k] as const)));

/** TF.js as it is where these backends are the ones there. */
const withBackends = (registry: object) => ({ ...tf, engine: () => ({ ...tf.engine(), registry }) }) as unknown as typeof tf;

beforeAll(async () => {
  await tf.setBackend('wasm');
  await tf.ready();
});
afterEach(() => void vi.restoreAllMocks());

test('undo puts back the very configurations that were there, and says nothing on the console', () => {
  const warn = vi.spyOn(console, 'warn');
  const before = kernels();
  const undo = accelerate(tf);
  const during = kernels();
  expect(during.get('wasm BatchMatMul')).not.toBe(before.get('wasm BatchMatMul'));
  expect(during.has('wasm UnsortedSegmentSum')).toBe(true);
  undo();
  const after = kernels();
  expect(new Set(after.keys())).toEqual(new Set(before.keys()));
  for (const [name, kernel] of before) expect(after.get(name), name).toBe(kernel);
  expect(warn).not.toHaveBeenCalled();
});

test('it is counted: the last undo takes it out, and an undo called twice counts once', () => {
  const stock = tf.getKernel('BatchMatMul', 'wasm');
  const [first, second] = [accelerate(tf), accelerate(tf)];
  const fast = tf.getKernel('BatchMatMul', 'wasm');
  first();
  first();
  expect(tf.getKernel('BatchMatMul', 'wasm')).toBe(fast);
  second();
  expect(tf.getKernel('BatchMatMul', 'wasm')).toBe(stock);
});

test('where threads share the memory, the wasm kernels stay the stock ones', () => {
  const stock = tf.getKernel('BatchMatMul', 'wasm');
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const undo = accelerate(withBackends({ wasm: { wasm: { asm: { memory } } } }));
  expect(tf.getKernel('BatchMatMul', 'wasm')).toBe(stock);
  undo();
});

test('called before the wasm backend is there, it leaves wasm alone; called again, it does the rest', () => {
  const stock = tf.getKernel('BatchMatMul', 'wasm');
  const early = accelerate(withBackends({}));
  expect(tf.getKernel('BatchMatMul', 'wasm')).toBe(stock);
  const late = accelerate(tf);
  expect(tf.getKernel('BatchMatMul', 'wasm')).not.toBe(stock);
  early();
  late();
  expect(tf.getKernel('BatchMatMul', 'wasm')).toBe(stock);
});

/** Losses of some steps of a small model, all from the same seed. */
function train(connection: 'residual' | 'mhc'): number[] {
  const training = createTraining(connection);
  const losses = lossesOf(training, 1);
  const tensors = tf.memory().numTensors;
  losses.push(...lossesOf(training, 11));
  expect(tf.memory().numTensors).toBe(tensors);
  return losses;
}

test.each(['residual', 'mhc'] as const)(
  '%s: training gives the losses of the stock backend, twice the same ones, and leaks no tensor',
  (connection) => {
    const stock = train(connection);
    const undo = accelerate(tf);
    const first = train(connection);
    const second = train(connection);
    undo();
    expect(second).toEqual(first);
    expect(first.at(-1)).toBeLessThan(first[0] - 0.5);
    // AdamW divides by √v: the first updates magnify rounding of small gradients, so losses agree to fewer digits than one step's do.
    for (const [i, loss] of first.entries()) expect(Math.abs(loss - stock[i])).toBeLessThan(i === 0 ? 1e-5 : 2e-3);
  },
);

test('what it computed before the heap grew and after is the same', () => {
  const undo = accelerate(tf);
  const a = tf.randomNormal([70, 33], 0, 1, 'float32', 1);
  const before = tf.matMul(a, a, true, false).dataSync();
  const buffer = () => (tf.backend() as unknown as { wasm: { asm: { memory: { buffer: ArrayBuffer } } } }).wasm.asm.memory.buffer;
  const small = buffer().byteLength;
  const large = tf.zeros([small / 4 + 1]);
  expect(buffer().byteLength).toBeGreaterThan(small);
  expect(tf.matMul(a, a, true, false).dataSync()).toEqual(before);
  tf.dispose([a, large]);
  undo();
});
