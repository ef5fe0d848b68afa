/**
 * The operations of the connections on the current backend against float64: values, and gradients against central differences of the
 * float64 values. Says which operation and which sizes: the tests do.
 */
import * as tf from '@tensorflow/tfjs';
import { expect } from 'vitest';
import { hyperMaps } from '../../src/kernels/operations/hyperMaps.ts';
import { manifoldMaps } from '../../src/kernels/operations/manifoldMaps.ts';
import { project } from '../../src/kernels/operations/project.ts';
import { readStreams } from '../../src/kernels/operations/readStreams.ts';
import { sinkhorn } from '../../src/kernels/operations/sinkhorn.ts';
import { writeStreams } from '../../src/kernels/operations/writeStreams.ts';
import { seededRandom } from '../../src/model/random.ts';
import { EPS } from './accelerated.ts';
import { REFERENCES, type ReferenceName, type Sizes } from './reference.ts';

const EPSILON = 1e-6;

export const OPERATIONS: Record<ReferenceName, (inputs: tf.Tensor[]) => tf.Tensor[]> = {
  'project, mHC': ([x, w]) => {
    const { p, s, x: through } = project(x, w, 2, EPSILON);
    return [p, s, through];
  },
  'project, HC': ([x, w]) => {
    const { p, s, x: through } = project(x, w, 1, EPSILON);
    return [p, s, through];
  },
  'maps, mHC': ([p, s, alpha, b]) => {
    const { pre, post, res } = manifoldMaps(p, s, alpha, b, EPSILON);
    return [pre, post, res];
  },
  'maps, HC': ([p, s, alpha, b]) => {
    const { pre, post, res } = hyperMaps(p, s, alpha, b);
    return [pre, post, res];
  },
  'Sinkhorn, paper': ([logits]) => [sinkhorn(logits, { iterations: 20, convention: 'paper', epsilon: 0 })],
  'Sinkhorn, deepseek': ([logits]) => [sinkhorn(logits, { iterations: 20, convention: 'deepseek', epsilon: 1e-6 })],
  readStreams: ([pre, x]) => {
    const { u, x: through } = readStreams(pre, x);
    return [u, through];
  },
  writeStreams: ([res, x, post, branch]) => [writeStreams(res, x, post, branch)],
};

/** Sums of K products lose at most K roundings, and typically √K; 40 divisions follow one another in Sinkhorn. */
function roundings(name: ReferenceName, { n, channels }: Sizes): number {
  if (name.startsWith('Sinkhorn')) return 60;
  if (name.startsWith('maps')) return 16;
  return 16 + 4 * Math.sqrt(n * channels);
}

/** Of standard normal values, float32 so that all start from the same. */
function normals(length: number, scale: number, random: () => number): Float64Array {
  return Float64Array.from({ length }, () =>
    Math.fround(scale * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())),
  );
}

const largest = (values: ArrayLike<number>): number => Array.from(values).reduce((most, v) => Math.max(most, Math.abs(v)), 1e-30);

/** What becomes of an input before it is used, by its number, and the relative error that outputs and gradients may have more by that. */
interface Storing {
  store: (input: tf.Tensor, i: number) => tf.Tensor;
  error: number;
}

/**
 * @param probes how many coordinates of each input's gradient are compared
 * @param storing float64 goes on with the values that are stored
 */
export async function compare(
  name: ReferenceName,
  sizes: Sizes,
  probes = 12,
  { store, error }: Storing = { store: (input) => input, error: 0 },
): Promise<void> {
  const random = seededRandom(sizes.tokens + 31 * sizes.n + 977 * sizes.channels);
  const reference = REFERENCES[name];
  const described = reference.inputs(sizes);
  const given = described.map(([shape, scale]) => normals(tf.util.sizeFromShape(shape), scale, random));
  const tensors = given.map((values, i) => store(tf.tensor(Float32Array.from(values), described[i][0]), i));
  const inputs = await Promise.all(tensors.map(async (tensor) => Float64Array.from(await tensor.data<'float32'>())));
  const expected = reference.outputs(inputs, sizes);
  const weights = expected.map(({ length }) => normals(length, 1, random));
  const outputs = tf.tidy(() => OPERATIONS[name](tensors).map((t) => tf.clone(t)));
  const tolerance = roundings(name, sizes) * EPS + error;
  for (const [k, tensor] of outputs.entries()) {
    const actual = await tensor.data<'float32'>();
    expect(actual.length).toBe(expected[k].length);
    const scale = largest(expected[k]);
    const wrong = actual.findIndex((value, i) => !(Math.abs(value - expected[k][i]) <= tolerance * scale));
    expect(wrong, `output ${k}, element ${wrong}: ${actual[wrong]} for ${expected[k][wrong]}`).toBe(-1);
  }
  const loss = (...given: tf.Tensor[]) =>
    OPERATIONS[name](given)
      .map((output, k) => tf.sum(tf.mul(output, tf.tensor(Float32Array.from(weights[k]), output.shape))))
      .reduce((a, b) => tf.add(a, b)) as tf.Scalar;
  const gradients = tf.grads(loss)(tensors);
  const loss64 = (given: Float64Array[]) =>
    reference.outputs(given, sizes).reduce((total, output, k) => total + output.reduce((sum, v, i) => sum + v * weights[k][i], 0), 0);
  for (const [i, gradient] of gradients.entries()) {
    const actual = await gradient.data<'float32'>();
    expect(actual.length).toBe(inputs[i].length);
    const scale = largest(actual);
    // A parameter's gradient is a sum over all tokens; added up one by one in float32 it loses a rounding with each.
    const summed = described[i][0][0] === sizes.tokens ? 0 : EPS * sizes.tokens * sizes.n;
    for (let probe = 0; probe < probes; probe++) {
      const at = probe === 0 ? inputs[i].length - 1 : Math.floor(random() * inputs[i].length);
      const moved = (by: number) => loss64(inputs.map((values, k) => (k === i ? values.with(at, values[at] + by) : values)));
      const slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
      expect(Math.abs(actual[at] - slope), `gradient ${i}, element ${at}: ${actual[at]} for ${slope}`).toBeLessThanOrEqual(
        (4 * tolerance + 1e-6) * scale + summed,
      );
    }
  }
  tf.dispose([tensors, outputs, gradients]);
}
