import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import { AdamW } from '../../src/model/adamw.ts';
import { createBatches } from '../../src/model/batches.ts';
import { crossEntropy } from '../../src/model/nextByteLoss.ts';
import { seededRandom } from '../../src/model/random.ts';
import { CONNECTIONS, createTransformer } from '../../src/model/transformer.ts';
import { onEveryBackend } from '../support/backends.ts';

const TEXT = new TextEncoder().encode('she sells sea shells by the sea shore. '.repeat(30));
const CONTEXT = 12;
const BATCH = 4;

async function losses(connection: (typeof CONNECTIONS)[number], seed: number, steps: number): Promise<number[]> {
  const model = createTransformer({ connection, depth: 2, width: 16, context: CONTEXT, heads: 2, streams: 3, seed });
  const optimizer = new AdamW({ learningRate: 1e-2, warmup: 5, clipNorm: 1 });
  const next = createBatches(TEXT, BATCH, CONTEXT, seed);
  const values: number[] = [];
  for (let i = 0; i < steps; i++) {
    const loss = tf.tidy(() => {
      const { inputs, targets } = next();
      const x = tf.tensor2d(inputs, [BATCH, CONTEXT], 'int32');
      const y = tf.tensor2d(targets, [BATCH, CONTEXT], 'int32');
      return optimizer.minimize(() => crossEntropy(y, model.apply(x, { training: true }) as tf.Tensor), true)!;
    });
    values.push((await loss.data())[0]);
    loss.dispose();
  }
  model.dispose();
  optimizer.dispose();
  return values;
}

onEveryBackend('the model', (backend) => {
  // Without a card, compiling its shaders takes WebGPU longest; webgpu.test.ts trains the others.
  const connections = backend === 'webgpu' ? (['mhc'] as const) : CONNECTIONS;
  const [steps, learnt] = backend === 'webgpu' ? [15, 0.95] : [40, 0.75];

  test.each(connections)('%s learns, and the same seed gives the same losses', async (connection) => {
    const first = await losses(connection, 1, steps);
    expect(first[0]).toBeCloseTo(Math.log(256), 0);
    expect(first.at(-1)).toBeLessThan(learnt * first[0]);
    expect(await losses(connection, 1, 3)).toEqual(first.slice(0, 3));
    expect((await losses(connection, 2, 1))[0]).not.toBe(first[0]);
  });

  test('is causal: a later byte changes no earlier logits', async () => {
    const model = createTransformer({ connection: 'mhc', depth: 1, width: 8, context: 6, heads: 2, streams: 2, seed: 1 });
    const logits = (last: number) =>
      (model.predict(tf.tensor2d([[1, 2, 3, 4, 5, last]], [1, 6], 'int32')) as tf.Tensor).array() as Promise<number[][][]>;
    const [a, b] = [await logits(7), await logits(200)];
    expect(a[0].slice(0, 5)).toEqual(b[0].slice(0, 5));
    expect(a[0][5]).not.toEqual(b[0][5]);
  });

  test('cross-entropy: by index and one-hot, value and gradient', async () => {
    const logits = tf.tensor2d([1, 2, 0.5, -1, 0, 3], [2, 3]);
    const expected = -(2 - Math.log(Math.exp(1) + Math.exp(2) + Math.exp(0.5)) + -1 - Math.log(Math.exp(-1) + 1 + Math.exp(3))) / 2;
    const indices = tf.tensor1d([1, 0], 'int32');
    const oneHot = tf.oneHot(indices, 3).toFloat();
    expect((await crossEntropy(indices, logits).data())[0]).toBeCloseTo(expected, 5);
    expect((await crossEntropy(oneHot, logits).data())[0]).toBeCloseTo(expected, 5);
    const gradient = await tf
      .grad((x) => crossEntropy(indices, x))(logits)
      .data();
    const softmax = await tf.softmax(logits).sub(oneHot).div(2).data();
    for (const [i, value] of gradient.entries()) expect(value).toBeCloseTo(softmax[i], 6);
    expect(() => crossEntropy(tf.tensor1d([1], 'int32'), logits)).toThrow(/one target for each row/);
  });
});

describe('AdamW', () => {
  test('warms up linearly, and clips by the global norm', async () => {
    await tf.setBackend('cpu');
    const rates: number[] = [];
    const warm = new AdamW({ learningRate: 1, warmup: 4 });
    const w = tf.variable(tf.zeros([1, 1]), true, 'warm');
    for (let i = 0; i < 6; i++) {
      rates.push(warm.learningRate);
      warm.applyGradients({ warm: tf.ones([1, 1]) });
    }
    expect(rates.map((r) => Number(r.toFixed(6)))).toEqual([0.2, 0.4, 0.6, 0.8, 1, 1]);
    warm.learningRate /= 4; // as an onWarning would
    expect(warm.learningRate).toBe(0.25);
    expect(() => {
      warm.learningRate = 0;
    }).toThrow(/learningRate must be above 0, got 0/);
    w.dispose();
    // Adam's update does not know the scale of the gradient, its moments do.
    const clipped = new AdamW({ learningRate: 1, clipNorm: 1 });
    const v = tf.variable(tf.zeros([2]), true, 'clipped');
    clipped.applyGradients({ clipped: tf.tensor1d([30, 40]) });
    const { accumulatedFirstMoment } = clipped as unknown as { accumulatedFirstMoment: { variable: tf.Variable }[] };
    const moment = accumulatedFirstMoment[0].variable.dataSync();
    expect(moment[0]).toBeCloseTo(0.1 * 0.6, 5);
    expect(moment[1]).toBeCloseTo(0.1 * 0.8, 5);
    v.dispose();
  });

  test.each([
    [{ learningRate: 0 }, /learningRate must be above 0, got 0/],
    [{ learningRate: 1, warmup: 1.5 }, /warmup must be a whole number from 0, got 1.5/],
    [{ learningRate: 1, clipNorm: 0 }, /clipNorm must be above 0 or null, got 0/],
  ])('%j is refused', (config, message) => {
    expect(() => new AdamW(config)).toThrow(message);
  });
});

test('batches: windows of the text with the next byte as target, the same for the same seed', () => {
  const next = createBatches(TEXT, 3, 8, 5);
  const { inputs, targets } = next();
  const text = String.fromCharCode(...TEXT);
  for (let b = 0; b < 3; b++) {
    const window = String.fromCharCode(...inputs.subarray(b * 8, b * 8 + 8), targets[b * 8 + 7]);
    expect(text).toContain(window);
    expect([...targets.subarray(b * 8, b * 8 + 7)]).toEqual([...inputs.subarray(b * 8 + 1, b * 8 + 8)]);
  }
  expect(createBatches(TEXT, 3, 8, 5)().inputs).toEqual(inputs);
  expect(createBatches(TEXT, 3, 8, 6)().inputs).not.toEqual(inputs);
  expect(() => createBatches(new Uint8Array(9), 1, 8, 1)).toThrow(/at least 10 bytes .* got 9/);
});

test('the seeded generator: uniform enough, in [0, 1), the same for the same seed', () => {
  const random = seededRandom(4);
  const values = Array.from({ length: 10_000 }, random);
  expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...values)).toBeLessThan(1);
  expect(Math.abs(values.reduce((a, b) => a + b, 0) / values.length - 0.5)).toBeLessThan(4 / Math.sqrt(12 * values.length));
  expect(Array.from({ length: 3 }, seededRandom(4))).toEqual(values.slice(0, 3));
});

test.each([
  [{ connection: 'hcc' }, /connection must be one of residual, hc, .* got hcc/],
  [{ depth: 0 }, /depth must be a whole number from 1, got 0/],
  [{ heads: 3 }, /heads must divide the width, got 3 heads for width 8/],
  [{ streams: 9 }, /streams must be at most 8, got 9/],
])('%j is refused', (change, message) => {
  const config = { connection: 'hc', depth: 1, width: 8, context: 4, heads: 2, streams: 2, seed: 1, ...change };
  expect(() => createTransformer(config as Parameters<typeof createTransformer>[0])).toThrow(message);
});
