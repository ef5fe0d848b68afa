/** Each replaced stock kernel of the wasm backend against stock TF.js on cpu. */
import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { accelerate } from '../../src/kernels/accelerate.ts';
import { expectSame, normal, normalWith } from '../support/accelerated.ts';

const swap = ([a, b]: number[], swapped: boolean) => (swapped ? [b, a] : [a, b]);

/** Batch axes of a and b that broadcast with one another. */
const BATCHES: { ofA: number[]; ofB: number[] }[] = [
  { ofA: [], ofB: [] },
  { ofA: [3], ofB: [3] },
  { ofA: [3], ofB: [1] },
  { ofA: [1], ofB: [3] },
  { ofA: [2, 3], ofB: [3] },
  { ofA: [3], ofB: [2, 3] },
  { ofA: [2, 1], ofB: [1, 3] },
  { ofA: [2, 3], ofB: [2, 3] },
  { ofA: [2, 2, 2], ofB: [] },
];

/** On wasm with our kernels. */
async function accelerated(check: () => void): Promise<void> {
  await tf.setBackend('wasm');
  const undo = accelerate(tf);
  check();
  undo();
}

describe('matMul', () => {
  const SIZE = fc.integer({ min: 1, max: 20 });
  const check = ({ ofA, ofB }: (typeof BATCHES)[number], m: number, n: number, k: number, ta: boolean, tb: boolean) =>
    expectSame(k, () => {
      const a = normal([...ofA, ...swap([m, k], ta)], 1);
      const b = normal([...ofB, ...swap([k, n], tb)], 2);
      if (tf.getBackend() === 'wasm') return [tf.matMul(a, b, ta, tb)];
      // Stock takes batch position i modulo each operand's count, which is right only where the leading axes are the repeated ones.
      const all = tf.broadcast_util.assertAndGetBroadcastShape(ofA, ofB);
      const [wholeA, wholeB] = [a, b].map((t) => tf.broadcastTo(t, [...all, ...t.shape.slice(-2)]));
      return [tf.matMul(wholeA, wholeB, ta, tb)];
    });

  test('any small shape, transposed in every combination, with batches that broadcast', () =>
    fc.assert(fc.asyncProperty(fc.constantFrom(...BATCHES), SIZE, SIZE, SIZE, fc.boolean(), fc.boolean(), check), { numRuns: 150 }));

  // Blocks are 128 × 256 × 256: one more than each, and than two.
  test.each([
    [129, 257, 257],
    [131, 7, 513],
    [1, 300, 9],
    [260, 1, 5],
    [1, 1, 1025],
  ])('beyond one block: m %i, n %i, k %i', async (m, n, k) => {
    for (const ta of [false, true]) for (const tb of [false, true]) await check(BATCHES[0], m, n, k, ta, tb);
  });

  test('the same twice, to the last bit', async () => {
    const run = () => [tf.matMul(normal([37, 300], 3), normal([41, 300], 4), false, true)];
    await expectSame(300, () => [tf.sub(run()[0], run()[0])]);
  });

  test('NaN and Infinity go where they go in stock, and not into the padding of a tile', () =>
    expectSame(9, () => {
      const a = normalWith([5, 9], 1, { 4: Number.NaN, 44: Number.POSITIVE_INFINITY });
      const b = normalWith([9, 11], 2, { 98: Number.NaN });
      return [tf.matMul(a, b), tf.matMul(a.transpose(), b, true, false)];
    }));

  test('an inner axis of 0 gives zeros; what stock refuses is refused', async () => {
    await expectSame(0, () => [tf.matMul(tf.zeros([3, 0]), tf.zeros([0, 4]))]);
    await accelerated(() => expect(() => tf.matMul(tf.zeros([3, 2]), tf.zeros([3, 4]))).toThrow(/inner/i));
  });
});

describe('transpose', () => {
  test('any order of up to 6 axes, some of size 1; int32 and bool too', () =>
    fc.assert(
      fc.asyncProperty(
        fc
          .array(fc.constantFrom(1, 2, 3, 4, 5, 9), { minLength: 1, maxLength: 6 })
          .chain((shape) => fc.tuple(fc.constant(shape), fc.shuffledSubarray([...shape.keys()], { minLength: shape.length }))),
        fc.constantFrom('float32', 'int32', 'bool'),
        ([shape, perm], dtype) =>
          expectSame(0, () => {
            const x = tf.mul(normal(shape, 1), 9);
            return [tf.transpose(dtype === 'bool' ? tf.greater(x, 0) : x.cast(dtype as 'float32'), perm)];
          }),
      ),
      { numRuns: 150 },
    ));

  test.each([
    { shape: [2, 5, 3, 16], perm: [0, 2, 1, 3] },
    { shape: [70, 33], perm: [1, 0] },
    { shape: [4, 3, 8, 12], perm: [0, 1, 3, 2] },
    { shape: [2, 3, 2, 3, 2, 7], perm: [5, 3, 1, 0, 2, 4] },
  ])('$shape by $perm', ({ shape, perm }) => expectSame(0, () => [tf.transpose(normalWith(shape, 1, { 5: Number.NaN }), perm)]));
});

test('Identity: a second tensor that outlives the first', () =>
  expectSame(0, () => {
    const x = normal([3, 4], 1);
    const y = x.clone();
    x.dispose();
    const z = normal([3, 4], 2); // would get the memory of x
    return [y, z];
  }));

describe('UnsortedSegmentSum', () => {
  test('repeated, missing and foreign segments', () =>
    expectSame(8, () => [
      tf.unsortedSegmentSum(normal([6, 7], 1), tf.tensor1d([1, 4, 1, -1, 5, 1], 'int32'), 5),
      tf.unsortedSegmentSum(normal([6], 2), tf.tensor1d([0, 0, 2, 2, 2, 0], 'int32'), 3),
      tf.unsortedSegmentSum(normal([4, 2, 3], 3), tf.tensor1d([2, 0, 2, 0], 'int32'), 3),
    ]));

  test('the gradient of gather, along each axis', () =>
    expectSame(8, () =>
      [0, 1, 2].map((axis) => {
        const indices = tf.tensor1d([1, 0, 1, 1, 2], 'int32');
        return tf.grad((x) => tf.sum(tf.square(tf.gather(x, indices, axis))))(normal([3, 4, 5], 1));
      }),
    ));
});

describe('gather', () => {
  test('rows of any axis, repeated, of float32 and int32', () =>
    expectSame(0, () =>
      [0, 1, 2, -1].flatMap((axis) => {
        const indices = tf.tensor2d([2, 0, 1, 2, 2, 1], [2, 3], 'int32');
        return [tf.gather(normal([3, 4, 5], 1), indices, axis), tf.gather(tf.mul(normal([3, 4, 5], 2), 9).toInt(), indices, axis)];
      }),
    ));
  test('with batch axes, and of bool, as stock does it', () =>
    expectSame(0, () => [
      tf.gather(normal([2, 4, 5], 1), tf.tensor2d([3, 0, 1, 1], [2, 2], 'int32'), 1, 1),
      tf.gather(tf.greater(normal([4, 3], 1), 0), tf.tensor1d([3, 0], 'int32')),
    ]));
  test.each([3, -1])('index %i, outside, is refused in the words of stock', (index) =>
    accelerated(() =>
      expect(() => tf.gather(tf.zeros([3, 2]), tf.tensor1d([0, index], 'int32'))).toThrow(`the index value ${index} is not in [0, 2]`),
    ),
  );
});

describe('split and concat', () => {
  test('any sizes along any axis, of every dtype', () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 }),
        fc.nat(3),
        fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 4 }),
        fc.constantFrom('float32', 'int32', 'bool'),
        (shape, anyAxis, sizes, dtype) => {
          const axis = anyAxis % shape.length;
          const parts = (): tf.Tensor[] =>
            sizes.map((size, i) => {
              const part = tf.mul(normal(shape.with(axis, size), i + 1), 9);
              return dtype === 'bool' ? tf.greater(part, 0) : part.cast(dtype as 'float32');
            });
          return expectSame(0, () => {
            const whole = tf.concat(parts(), axis);
            return sizes.every((size) => size > 0) ? [whole, ...tf.split(whole, sizes, axis)] : [whole];
          });
        },
      ),
      { numRuns: 100 },
    ));
  test('into equal parts', () => expectSame(0, () => tf.split(normal([2, 3, 12], 1), 3, -1)));
  test('strings, as stock does it', () =>
    accelerated(() => expect(tf.concat([tf.tensor1d(['a', 'b']), tf.tensor1d(['c'])]).dataSync<'string'>()).toEqual(['a', 'b', 'c'])));
});
