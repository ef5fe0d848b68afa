/** The same computation with the fast kernels and on the stock cpu backend, and how far the two may differ. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { expect } from 'vitest';
import { accelerate } from '../../src/kernels/accelerate.ts';

/** Distance of 1 to the next float32. */
export const EPS = 2 ** -23;

interface Values {
  shape: number[];
  dtype: string;
  values: number[];
}

async function on(backend: string, compute: () => tf.Tensor[]): Promise<Values[]> {
  await tf.setBackend(backend);
  await tf.ready();
  if (tf.getBackend() !== backend) throw new Error(`backend ${backend} did not start`);
  return tf.tidy(() => compute().map((t) => ({ shape: t.shape, dtype: t.dtype, values: Array.from(t.dataSync()) })));
}

/**
 * Compares cpu and wasm after accelerate with stock cpu: shapes, dtypes, where NaN and ±Infinity are, and every value. Leaves
 * the wasm backend current, and stock.
 * @param roundings how many roundings of the largest value may lie between them; 0: exactly equal
 * @param compute makes its own inputs, from seeds: they have to be the same on all backends
 * @param least the largest value counts as this at least: where larger terms cancel
 */
export async function expectSame(roundings: number, compute: () => tf.Tensor[], least = 0): Promise<void> {
  const stock = await on('cpu', compute);
  await on('wasm', () => []);
  const undo = accelerate(tf);
  try {
    for (const backend of ['cpu', 'wasm']) compare(backend, await on(backend, compute), stock, roundings, least);
  } finally {
    undo();
  }
}

function compare(backend: string, actual: Values[], stock: Values[], roundings: number, least: number): void {
  expect(actual.map((t) => [t.shape, t.dtype])).toEqual(stock.map((t) => [t.shape, t.dtype]));
  for (const [index, { values }] of actual.entries()) {
    const expected = stock[index].values;
    const scale = expected.reduce((largest, v) => (Number.isFinite(v) ? Math.max(largest, Math.abs(v)) : largest), least);
    const wrong = values.findIndex((v, i) => {
      const e = expected[i];
      return Number.isFinite(e) ? !(Math.abs(v - e) <= roundings * EPS * scale) : !Object.is(v, e);
    });
    const where = `${backend}, output ${index}, element ${wrong}: ${values[wrong]} for ${expected[wrong]}, scale ${scale}`;
    expect(wrong, where).toBe(-1);
  }
}

/** Largest difference, relative to the largest expected value. */
export function difference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  const scale = Array.from(expected).reduce((most, v) => Math.max(most, Math.abs(v)), 1e-30);
  return Array.from(expected).reduce((most, v, i) => Math.max(most, Math.abs(actual[i] - v)), 0) / scale;
}

/** Standard normal values, the same for the same seed. */
export const normal = (shape: number[], seed: number): tf.Tensor => tf.randomNormal(shape, 0, 1, 'float32', seed);

/** Standard normal values with some of them replaced. */
export function normalWith(shape: number[], seed: number, replaced: Record<number, number>): tf.Tensor {
  const values = normal(shape, seed).dataSync<'float32'>();
  for (const [at, value] of Object.entries(replaced)) values[Number(at)] = value;
  return tf.tensor(values, shape);
}

/** Σ of y times fixed weights: a scalar whose gradient reaches every element differently. */
export const weighed = (y: tf.Tensor, seed: number): tf.Scalar => tf.sum(tf.mul(y, normal(y.shape, seed))) as tf.Scalar;
