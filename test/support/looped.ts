/** Connections that a test runs as it likes: in loops, some of them not at all. */
import * as tf from '@tensorflow/tfjs';
import type { ConnectionLayer } from '../../src/connections/layer.ts';
import { HyperConnection, ManifoldConnection } from '../../src/connections/layers.ts';
import { MEASURE_INDEX, type MeasureKey } from '../../src/telemetry/catalogue.ts';
import { normal } from './accelerated.ts';
import type { ProbedStep } from './probed.ts';
import { denseBranch } from './testLayers.ts';

export const [N, CHANNELS, TOKENS] = [4, 5, 7];
export const SHAPE = [2, TOKENS, N, CHANNELS];

/** Built, with mappings that are far from the identity and differ from token to token. */
export function connectionsOf(kinds: readonly ('hc' | 'mhc')[]): ConnectionLayer[] {
  return kinds.map((kind, index) => {
    const args = { name: `b${index}`, branch: denseBranch(CHANNELS, index + 1), index };
    const layer = kind === 'hc' ? new HyperConnection(args) : new ManifoldConnection({ ...args, seed: index + 1 });
    layer.apply(tf.input({ shape: SHAPE.slice(1) }));
    for (const weight of layer.connectionWeights) {
      const noise = normal(weight.shape as number[], 10 * index + weight.shape.length);
      tf.tidy(() => void weight.write(tf.add(weight.read(), tf.mul(0.3, noise))));
      noise.dispose();
    }
    return layer;
  });
}

export const TWO = ['hc', 'mhc'] as const;
export const streams = (seed: number) => normal(SHAPE, seed);
export const run = (layers: readonly ConnectionLayer[], x: tf.Tensor) => layers.reduce((s, layer) => layer.apply(s) as tf.Tensor, x);
export const repeated = (layers: readonly ConnectionLayer[], times: number): ConnectionLayer[] =>
  Array.from({ length: times }, () => layers).flat();
export const lossOf = (y: tf.Tensor) => tf.mean(tf.square(y)) as tf.Scalar;
export const rowOf = ({ report, names }: ProbedStep, key: MeasureKey) => [
  ...report.measures.subarray(MEASURE_INDEX[key] * names.length, (MEASURE_INDEX[key] + 1) * names.length),
];

/** Gradients of a loss for the weights of the connections, and for others. */
export function differentiate(layers: readonly ConnectionLayer[], loss: () => tf.Scalar, others: readonly tf.Variable[] = []): tf.Scalar {
  const weights = layers.flatMap((layer) => layer.trainableWeights.map((w) => w.read() as tf.Variable));
  const { value, grads } = tf.variableGrads(loss, [...weights, ...others]);
  tf.dispose(grads);
  return value;
}

/** Zero, of all weights: no connection is without a gradient where it does not run. */
export const zeroOf = (layers: readonly ConnectionLayer[]): tf.Tensor =>
  tf.mul(0, tf.addN(layers.map((layer) => tf.sum(layer.trainableWeights[0].read()))));
