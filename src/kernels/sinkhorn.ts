/**
 * Sinkhorn–Knopp on every n × n matrix of a tensor, as one custom operation with a gradient that recomputes the
 * iterates instead of keeping them (K3 of the paper). Plain TypeScript in float64 on cpu and wasm; composed elsewhere,
 * where its tape keeps 2 · iterations matrices per token.
 */
import * as tf from '@tensorflow/tfjs';
import { sinkhorn as sinkhorn64 } from '../measures/sinkhorn.ts';
import { sinkhornGradient as sinkhornGradient64 } from '../measures/sinkhornGradient.ts';
import type { Convention } from '../telemetry/sample.ts';
import { type Attributes, hasKernel, registerHostKernel, runHostKernel } from './host.ts';

const NAME = 'GainwatchSinkhorn';
const GRADIENT = 'GainwatchSinkhornGradient';

export interface SinkhornOptions {
  iterations: number;
  convention: Convention;
  /** Added to every sum of the deepseek convention; the paper's has none. */
  epsilon: number;
}

const options64 = (attributes: Attributes): SinkhornOptions => ({
  iterations: attributes['iterations'] as number,
  convention: attributes['deepseek'] ? 'deepseek' : 'paper',
  epsilon: attributes['epsilon'] as number,
});

registerHostKernel({
  name: NAME,
  shapes: ([logits]) => [logits],
  compute: ([logits], [out], [shape], attributes) => {
    out.set(sinkhorn64(Float64Array.from(logits), shape.at(-1) as number, options64(attributes)));
  },
});

registerHostKernel({
  name: GRADIENT,
  shapes: ([logits]) => [logits],
  compute: ([logits, dy], [out], [shape], attributes) => {
    const n = shape.at(-1) as number;
    out.set(sinkhornGradient64(Float64Array.from(logits), Float64Array.from(dy), n, options64(attributes)));
  },
});

tf.registerGradient({
  kernelName: NAME,
  inputsToSave: ['input0'],
  gradFunc: (dy, [logits], attributes) => ({
    input0: () => runHostKernel(GRADIENT, [logits, dy as tf.Tensor], attributes as unknown as Attributes)[0],
  }),
});

/**
 * @param logits `[..., n, n]`, of H_res for `paper`, of comb (H_resᵀ) for `deepseek`
 * @returns H_res, `[..., n, n]`, rows are destinations: rows sum to 1 for `paper`, columns to 1 within ε for `deepseek`
 */
export function sinkhorn(logits: tf.Tensor, options: SinkhornOptions): tf.Tensor {
  if (!hasKernel(NAME)) return composedSinkhorn(logits, options);
  const { iterations, convention, epsilon } = options;
  return runHostKernel(NAME, [logits], { iterations, epsilon, deepseek: convention === 'deepseek' })[0];
}

/** The same of stock operations. */
export function composedSinkhorn(logits: tf.Tensor, { iterations, convention, epsilon }: SinkhornOptions): tf.Tensor {
  const over = (m: tf.Tensor, axis: number, eps: number) => tf.div(m, tf.add(tf.sum(m, axis, true), eps));
  if (convention === 'paper') {
    let m = tf.exp(tf.sub(logits, tf.max(logits, -2, true)));
    for (let t = 0; t < iterations; t++) m = over(over(m, -2, 0), -1, 0);
    return m;
  }
  let m = over(tf.add(tf.softmax(logits, -1), epsilon), -2, epsilon);
  for (let t = 1; t < iterations; t++) m = over(over(m, -1, epsilon), -2, epsilon);
  const axes = m.shape.map((_, i) => i);
  return tf.transpose(m, [...axes.slice(0, -2), axes.length - 1, axes.length - 2]);
}
