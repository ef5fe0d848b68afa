/**
 * Sinkhorn–Knopp on every n × n matrix of a tensor, with a gradient that recomputes the iterates instead
 * of keeping them. Composed of stock operations its tape keeps 2 · iterations matrices per token.
 */
import * as tf from '@tensorflow/tfjs';
import type { Convention } from '../../telemetry/sample.ts';
import { type Attributes, hasKernel, type Operation, registerGradientKernel, runKernel, withGradient } from '../operation.ts';
import { isTapeOn } from '../tape.ts';

/** Logits, to H_res. Its attributes are SinkhornAttributes, as the gradient's are. */
export const SINKHORN: Operation = { name: 'GainwatchSinkhorn', shapes: ([logits]) => [logits] };
/** Logits and dH_res. */
export const SINKHORN_GRADIENT: Operation = { name: 'GainwatchSinkhornGradient', shapes: ([logits]) => [logits] };

export interface SinkhornOptions {
  iterations: number;
  convention: Convention;
  /** Added to every sum of the deepseek convention; the paper's has none. */
  epsilon: number;
}

registerGradientKernel(SINKHORN, SINKHORN_GRADIENT, 1);

/** The attributes that its kernels get. */
export type SinkhornAttributes = ReturnType<typeof sinkhornAttributes>;

/** How the options reach a kernel, which takes numbers and booleans only. */
export const sinkhornAttributes = ({ iterations, convention, epsilon }: SinkhornOptions) => ({
  iterations,
  deepseek: convention === 'deepseek',
  epsilon,
});

/** The same from what a kernel was called with. */
export const readSinkhornAttributes = (attributes: Attributes) => attributes as unknown as SinkhornAttributes;

/**
 * The doubly stochastic H_res of its logits (src/README.md, "Sinkhorn–Knopp").
 * @param logits `[..., n, n]`, of H_res for `paper`, of comb (H_resᵀ) for `deepseek`
 * @returns H_res, `[..., n, n]`, rows are destinations: rows sum to 1 for `paper`, columns to 1 within ε for `deepseek`
 */
export function sinkhorn(logits: tf.Tensor, options: SinkhornOptions): tf.Tensor {
  if (!hasKernel(SINKHORN)) return composedSinkhorn(logits, options);
  return runKernel(SINKHORN, [logits], sinkhornAttributes(options))[0];
}

/**
 * The same of stock operations, as one step of the tape with a gradient by hand: half as many operations as TF.js's own
 * gradient of them. Every half-step's result is kept, and its sums; a gradient of the gradient walks the path once more.
 */
export function composedSinkhorn(logits: tf.Tensor, options: SinkhornOptions): tf.Tensor {
  return withGradient(
    [logits],
    ([x]) => {
      const path = walkForward(x, options);
      return { value: mappingOf(path[path.length - 1], options), saved: [x, ...path] };
    },
    // Derived once more, it must be seen to depend on the logits.
    (dy, [x, ...path]) => walkBack(dy, isTapeOn() ? walkForward(x, options) : path, options),
  );
}

/** Half-step k divides by the sums of columns, then of rows, in turn. */
const axisOf = (k: number) => (k % 2 === 0 ? -2 : -1);

/** @returns exp, or softmax, of the logits; then each half-step's sums and its result */
function walkForward(logits: tf.Tensor, { iterations, convention, epsilon }: SinkhornOptions): tf.Tensor[] {
  const paper = convention === 'paper';
  const plus = (m: tf.Tensor) => (paper || epsilon === 0 ? m : tf.add(m, epsilon));
  const start = paper ? tf.exp(tf.sub(logits, tf.max(logits, -2, true))) : tf.softmax(logits, -1);
  const path = [start];
  let m = plus(start);
  for (let k = 0; k < 2 * iterations - (paper ? 0 : 1); k++) {
    const sums = plus(tf.sum(m, axisOf(k), true));
    m = tf.div(m, sums);
    path.push(sums, m);
  }
  return path;
}

/** Of y = a / Σ a: da = (dy − Σ dy y) / Σ a. The first half-step has no gradient for the maxima that were taken off. */
function walkBack(dy: tf.Tensor, [start, ...steps]: tf.Tensor[], options: SinkhornOptions): tf.Tensor {
  const centred = (g: tf.Tensor, y: tf.Tensor, axis: number) => tf.sub(g, tf.sum(tf.mul(g, y), axis, true));
  let g = mappingOf(dy, options);
  for (let k = steps.length / 2 - 1; k >= 0; k--) g = tf.div(centred(g, steps[2 * k + 1], axisOf(k)), steps[2 * k]);
  return tf.mul(start, options.convention === 'paper' ? g : centred(g, start, -1));
}

/** H_res from the last half-step's result, and back. */
function mappingOf(m: tf.Tensor, { convention }: SinkhornOptions): tf.Tensor {
  if (convention === 'paper') return m;
  const axes = m.shape.map((_, i) => i);
  return tf.transpose(m, [...axes.slice(0, -2), axes.length - 1, axes.length - 2]);
}
