/**
 * The custom operations of the model, values and gradients: their kernels on cpu and wasm against the same composed of stock
 * operations on cpu.
 */
import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { adamWUpdate } from '../../src/kernels/operations/adamWUpdate.ts';
import { causalAttention } from '../../src/kernels/operations/causalAttention.ts';
import { sparseCrossEntropy } from '../../src/kernels/operations/crossEntropy.ts';
import { relu } from '../../src/kernels/operations/relu.ts';
import { rmsNormalise } from '../../src/kernels/operations/rmsNormalise.ts';
import { squaredNorm } from '../../src/kernels/operations/squaredNorm.ts';
import { expectSame, normal, normalWith, weighed } from '../support/accelerated.ts';

describe('rmsNormalise', () => {
  const all = (x: tf.Tensor, gain: tf.Tensor) => [
    rmsNormalise(x, 1e-6, gain),
    ...tf.grads((a: tf.Tensor, g: tf.Tensor) => weighed(rmsNormalise(a, 1e-6, g), 3))([x, gain]),
  ];
  test('any shape', () =>
    fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 3 }), fc.integer({ min: 4, max: 70 }), (batch, size) =>
        // A sum over the row for the norm, one for its gradient, and one over the rows for the gain.
        expectSame(2 * size + batch.reduce((a, b) => a * b, 8), () => all(normal([...batch, size], 1), normal([size], 2)), 1),
      ),
      { numRuns: 40 },
    ));
  test('a row of zeros, and NaN in one row only', () =>
    expectSame(40, () => all(normalWith([3, 5], 1, { 0: 0, 1: 0, 2: 0, 3: 0, 4: 0, 12: Number.NaN }), normal([5], 2)).slice(0, 2)));
  test('a gain of another length is refused', () => {
    expect(() => rmsNormalise(tf.zeros([2, 3]), 1e-6, tf.zeros([2]))).toThrow('rmsNormalise: gain must have one value for each');
  });
});

describe('causalAttention', () => {
  const all = (qkv: tf.Tensor, heads: number) => [
    causalAttention(qkv, heads),
    tf.grad((x: tf.Tensor) => weighed(causalAttention(x, heads), 3))(qkv),
  ];
  // Rows are taken in blocks of 32.
  test.each([
    [1, 1, 1, 1],
    [2, 5, 3, 4],
    [1, 9, 2, 7],
    [2, 64, 4, 16],
    [1, 33, 1, 3],
    [1, 65, 1, 3],
    [1, 131, 2, 5],
  ])('B %i, T %i, H %i, C/H %i', (batch, time, heads, size) =>
    expectSame(4 * (time + size), () => all(normal([batch, time, 3 * heads * size], 1), heads)),
  );
  test('scores so far apart that all but one probability vanish', () => expectSame(200, () => all(tf.mul(normal([1, 12, 24], 1), 30), 2)));
  test('NaN reaches every position that sees it', () =>
    expectSame(80, () => [causalAttention(normalWith([1, 7, 12], 1, { [4 * 12 + 5]: Number.NaN }), 1).slice([0, 4, 0], [1, 3, 4])]));
  test('a width that is not 3 × heads × something is refused', () => {
    expect(() => causalAttention(tf.zeros([1, 2, 12]), 3)).toThrow('causalAttention: qkv must be [B, T, 3C]');
  });
});

describe('sparseCrossEntropy', () => {
  const all = (logits: tf.Tensor, targets: number[]) => {
    const t = tf.tensor1d(targets, 'int32');
    return [sparseCrossEntropy(logits, t), tf.grad((x: tf.Tensor) => tf.mul(sparseCrossEntropy(x, t), 3))(logits)];
  };
  test.each([
    [1, 2],
    [3, 5],
    [4, 256],
    [2, 131],
  ])('%i rows of %i', (rows, size) =>
    expectSame(size + 8, () =>
      all(
        tf.mul(normal([rows, size], 1), 4),
        Array.from({ length: rows }, (_, i) => (i * 7) % size),
      ),
    ),
  );
  test('logits of ±1e4 do not overflow', () => expectSame(16, () => all(tf.tensor2d([1e4, -1e4, 0, 3, 2, 1], [2, 3]), [1, 0])));
  test('NaN makes the loss NaN', () => expectSame(16, () => all(normalWith([2, 6], 1, { 3: Number.NaN }), [0, 1]).slice(0, 1)));
});

test('relu: values and gradient, 0 at 0', () =>
  expectSame(0, () => {
    const x = normalWith([3, 7], 1, { 4: 0, 20: 0 });
    return [relu(x), tf.grad((a: tf.Tensor) => weighed(relu(a), 2))(x)];
  }));

test.each([1, 4, 23])('AdamW: %i values', (size) =>
  expectSame(8, () => {
    const step = { learningRate: 0.1, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.5, correction1: 0.19, correction2: 0.0975 };
    const [p, m, g] = [1, 2, 3].map((seed) => normal([size], seed));
    return adamWUpdate(p, m, tf.square(normal([size], 4)), g, tf.scalar(0.25), step);
  }),
);

test('squaredNorm: of lengths that are and are not multiples of 4', () =>
  expectSame(30, () => [squaredNorm([normal([3], 1), normal([8, 5], 2), normal([], 3), normalWith([6], 4, { 5: 1e15 })])]));
