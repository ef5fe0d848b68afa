/** The samplers of the probe: each captures the same of a step, at the same tokens. */
import * as tf from '@tensorflow/tfjs';
import { expect, onTestFinished, test } from 'vitest';
import { createComposedSampler } from '../../plugin/probe/composedSampler.ts';
import { createHostSampler, isHostBackend } from '../../plugin/probe/hostSampler.ts';
import type { ConnectionTensors, Sampler, StepValues } from '../../plugin/probe/sampler.ts';
import { createWebgpuSampler } from '../../plugin/probe/webgpuSampler.ts';
import { seededRandom } from '../../src/model/random.ts';
import { difference, EPS, normal } from '../support/accelerated.ts';
import { onEveryBackend } from '../support/backends.ts';

const [TOKENS, N, CHANNELS, COUNT] = [6, 4, 5, 14];
const ROW = N * CHANNELS;
const UNIFORM = Float64Array.from({ length: TOKENS }, seededRandom(9));
const SHAPE = { order: [0, 1], streams: null, uniform: UNIFORM };
const NOTHING: ConnectionTensors = { mapping: null, logits: null, input: null, output: null };

interface Given extends ConnectionTensors {
  input: tf.Tensor;
  gradient: tf.Tensor;
  loss: tf.Tensor;
}

/** A step with two connections, of the first of which nothing is known. Captured twice: what comes later counts. */
async function sampled(sampler: Sampler, { gradient, loss, ...tensors }: Given): Promise<StepValues> {
  const before = tf.memory().numTensors;
  for (const given of [{ ...tensors, input: gradient }, tensors]) {
    sampler.captureConnection(0, NOTHING, N);
    sampler.captureConnection(1, given, N);
    sampler.captureStreamGradient(1, 0, given.input, ROW);
    sampler.captureStreamGradient(1, 1, gradient, ROW);
    sampler.captureGradients(given === tensors ? [loss, gradient] : []);
    sampler.captureLogitGradients(new Map([[1, gradient]]));
    sampler.captureLoss(loss);
  }
  const values = sampler.finish(await sampler.read(), [0, 1], N);
  sampler.dispose();
  expect(tf.memory().numTensors).toBe(before);
  return values;
}

/** Of the two connections. */
function halves(values: unknown): [Float32Array, Float32Array] {
  const all = values as Float32Array;
  return [all.subarray(0, all.length / 2), all.subarray(all.length / 2)];
}

onEveryBackend('samplers', (backend) => {
  test.each([
    ['all there', true, true],
    ['one matrix for all tokens, no logits', false, false],
  ])('from memory and by operations or shaders are the same: %s', async (_name, perToken, withLogits) => {
    const streams = [2, 7, N, CHANNELS];
    const given: Given = {
      mapping: perToken ? normal([2, 7, N, N], 7) : normal([N, N], 7),
      logits: withLogits ? normal([2, 7, N, N], 8) : null,
      input: normal(streams, 9),
      output: normal(streams, 10),
      gradient: normal(streams, 11),
      loss: tf.scalar(2.5),
    };
    const webgpu = createWebgpuSampler(SHAPE);
    expect(webgpu !== null).toBe(backend === 'webgpu'); // where no read is at once, as the composed one's is
    const other = await sampled(webgpu ?? createComposedSampler(SHAPE), given);
    // Where memory cannot be touched the expected values are those of a copy on cpu.
    const copies = { ...given };
    if (!isHostBackend()) {
      const values = await Promise.all(Object.entries(given).map(async ([key, t]) => [key, t?.shape, await t?.data()] as const));
      onTestFinished(async () => void (await tf.setBackend(backend)));
      await tf.setBackend('cpu');
      Object.assign(
        copies,
        Object.fromEntries(values.map(([key, shape, data]) => [key, data === undefined ? null : tf.tensor(data, shape)])),
      );
    }
    const host = await sampled(createHostSampler(SHAPE), copies);
    expect(other.mappings).toEqual(host.mappings);
    expect(other.logits).toEqual(host.logits);
    const near: [keyof StepValues, number][] = [
      ['grams', CHANNELS],
      ['inputSquares', ROW],
      ['gradientGains', ROW * TOKENS],
      ['logitGradients', N * N],
    ];
    for (const [key, roundings] of near) {
      const [first, second] = halves(other[key]);
      const [expectedFirst, expected] = halves(host[key]);
      expect(first, key).toEqual(expectedFirst); // NaN: nothing is known of it
      expect(difference(second, expected), key).toBeLessThan(roundings * EPS);
    }
    expect(difference([other.gradientNorm!], [host.gradientNorm!])).toBeLessThan(COUNT * ROW * EPS);
    expect(other.loss).toBe(2.5);
    // and the right ones: against the tensors themselves
    const rows = async (t: tf.Tensor) => (await t.reshape([COUNT, ROW]).array()) as number[][];
    const squares = (values: readonly number[]) => values.reduce((sum, v) => sum + v * v, 0);
    const at = Array.from(UNIFORM, (u) => Math.floor(u * COUNT));
    const [x, g] = [await rows(copies.input), await rows(copies.gradient)];
    expect(
      difference(
        host.inputSquares!.subarray(TOKENS),
        at.map((t) => squares(x[t])),
      ),
    ).toBeLessThan(ROW * EPS);
    const gain = Math.sqrt(squares(at.flatMap((t) => x[t])) / squares(at.flatMap((t) => g[t])));
    expect(host.gradientGains![1]).toBeCloseTo(gain, 5);
    expect(host.gradientNorm).toBeCloseTo(Math.sqrt(squares(g.flat()) + 2.5 ** 2), 4);
    expect(host.logitGradients![1]).toBeCloseTo(Math.sqrt(squares(g.flat().slice(-N * N))), 5);
  });

  test('without streams and mapping: the identity, and NaN', async () => {
    const sampler = isHostBackend() ? createHostSampler(SHAPE) : (createWebgpuSampler(SHAPE) ?? createComposedSampler(SHAPE));
    for (const l of [0, 1]) sampler.captureConnection(l, NOTHING, N);
    const values = sampler.finish(await sampler.read(), [0, 1], N);
    sampler.dispose();
    expect([...values.mappings.slice(0, 6)]).toEqual([1, 0, 0, 0, 0, 1]);
    for (const part of [values.logits, values.grams, values.inputSquares]) expect(part!.every(Number.isNaN)).toBe(true);
    expect(values).toMatchObject({ gradientGains: null, logitGradients: null, loss: null, gradientNorm: null });
  });
});
