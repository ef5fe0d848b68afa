/**
 * K3 of the paper: Sinkhorn–Knopp on every n × n matrix of a tensor, with a gradient that recomputes the iterates instead
 * of keeping them. Composed of stock operations its tape keeps 2 · iterations matrices per token.
 */
import * as tf from '@tensorflow/tfjs';
import type { Convention } from '../telemetry/sample.ts';
import { hasKernel, type Operation, registerGradientKernel, runKernel } from './run.ts';

export const SINKHORN: Operation = { name: 'GainwatchSinkhorn', shapes: ([logits]) => [logits] };
export const SINKHORN_GRADIENT: Operation = { name: 'GainwatchSinkhornGradient', shapes: ([logits]) => [logits] };

export interface SinkhornOptions {
  iterations: number;
  convention: Convention;
  /** Added to every sum of the deepseek convention; the paper's has none. */
  epsilon: number;
}

registerGradientKernel(SINKHORN, SINKHORN_GRADIENT, { saved: 1 });

/**
 * @param logits `[..., n, n]`, of H_res for `paper`, of comb (H_resᵀ) for `deepseek`
 * @returns H_res, `[..., n, n]`, rows are destinations: rows sum to 1 for `paper`, columns to 1 within ε for `deepseek`
 */
export function sinkhorn(logits: tf.Tensor, options: SinkhornOptions): tf.Tensor {
  if (!hasKernel(SINKHORN)) return composedSinkhorn(logits, options);
  const { iterations, convention, epsilon } = options;
  return runKernel(SINKHORN, [logits], { iterations, epsilon, deepseek: convention === 'deepseek' })[0];
}

/** The same of stock operations. */
export function composedSinkhorn(logits: tf.Tensor, { iterations, convention, epsilon }: SinkhornOptions): tf.Tensor {
  const over = (m: tf.Tensor, axis: number, eps: number) => {
    const sums = tf.sum(m, axis, true);
    return tf.div(m, eps === 0 ? sums : tf.add(sums, eps));
  };
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
