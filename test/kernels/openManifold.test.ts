import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { manifoldConnection } from '../../src/connections/manifold.ts';
import { accelerate } from '../../src/kernels/accelerate.ts';
import { hasKernel } from '../../src/kernels/operation.ts';
import { OPEN_MANIFOLD } from '../../src/kernels/operations/openManifold.ts';
import { difference, normal } from '../support/accelerated.ts';

describe('an mHC connection before its branch as one kernel', () => {
  let undo = () => {};
  beforeAll(async () => {
    await tf.setBackend('wasm');
    undo = accelerate(tf);
  });
  afterAll(() => undo());

  /** Output and gradients of a connection whose branch is a square. */
  async function connectionOn(backend: string, sizes: [number, number, number], convention: 'paper' | 'deepseek') {
    await tf.setBackend(backend);
    const [tokens, n, channels] = sizes;
    const width = n * n + 2 * n;
    const before = tf.memory().numTensors;
    const x = normal([tokens, n, channels], 1);
    const parameters = [normal([n * channels, width], 2), normal([3], 3), normal([width], 4)];
    const weights = normal([tokens, n, channels], 5);
    const connect = (streams: tf.Tensor, [phi, alpha, b]: tf.Tensor[]) =>
      manifoldConnection(streams, (u) => tf.square(u), { phi, alpha, b }, { convention });
    const untaped = tf.tidy(() => connect(x, parameters));
    const { value, grads } = tf.valueAndGrads((streams: tf.Tensor, ...rest: tf.Tensor[]) =>
      tf.sum(tf.mul(connect(streams, rest), weights)),
    )([x, ...parameters]);
    const all = [untaped, value, ...grads];
    const values = all.map((t) => t.dataSync());
    tf.dispose([...all, x, ...parameters, weights]);
    expect(tf.memory().numTensors).toBe(before);
    return values;
  }

  test.each([
    [[7, 4, 32], 'paper'],
    [[70, 4, 16], 'deepseek'],
    [[5, 4, 20], 'paper'],
    [[1, 3, 48], 'paper'],
    [[65, 1, 16], 'deepseek'],
    [[3, 8, 5], 'deepseek'],
  ] as [[number, number, number], 'paper' | 'deepseek'][])(
    '%j, %s: gives what the single kernels give on cpu',
    async (sizes, convention) => {
      const got = await connectionOn('wasm', sizes, convention);
      expect(hasKernel(OPEN_MANIFOLD)).toBe(true);
      const expected = await connectionOn('cpu', sizes, convention);
      expect(hasKernel(OPEN_MANIFOLD)).toBe(false);
      expect(Math.max(...got.map((values, i) => difference(values, expected[i])))).toBeLessThan(2e-5);
    },
  );

  test('outputs that nothing uses have no part in the gradient', async () => {
    await tf.setBackend('wasm');
    const gradients = tf.grads((x, phi, alpha, b) => tf.sum(manifoldConnection(x, (u) => tf.mul(u, 0), { phi, alpha, b })));
    const [dx] = gradients([tf.ones([2, 4, 16]), tf.zeros([64, 24]), tf.ones([3]), tf.zeros([24])]);
    expect(difference(dx.dataSync(), new Float32Array(128).fill(1))).toBeLessThan(1e-6);
  });
});
