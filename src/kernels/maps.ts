/** K2 of the paper: the coefficients of a connection from its projection: scaled, shifted, bounded. HC's and mHC's. */
import * as tf from '@tensorflow/tfjs';
import { hasKernel, type Operation, registerGradientKernel, runKernel } from './run.ts';

/** Of pre, post and res. */
const coefficientShapes = (lead: readonly number[], n: number): number[][] => [
  [...lead, n],
  [...lead, n],
  [...lead, n, n],
];
const asInputs: Operation['shapes'] = ([p, s, alpha, b]) => [p, s, alpha, b];

export const MANIFOLD_MAPS: Operation = {
  name: 'GainwatchManifoldMaps',
  shapes: ([p]) => coefficientShapes(p.slice(0, -1), streamsOf(p.at(-1) as number)),
};
export const MANIFOLD_MAPS_GRADIENT: Operation = { name: 'GainwatchManifoldMapsGradient', shapes: asInputs };
export const HYPER_MAPS: Operation = {
  name: 'GainwatchHyperMaps',
  shapes: ([p]) => coefficientShapes(p.slice(0, -2), p.at(-2) as number),
};
export const HYPER_MAPS_GRADIENT: Operation = { name: 'GainwatchHyperMapsGradient', shapes: asInputs };

registerGradientKernel(MANIFOLD_MAPS, MANIFOLD_MAPS_GRADIENT, { saved: 4 });
registerGradientKernel(HYPER_MAPS, HYPER_MAPS_GRADIENT, { saved: 4 });

/** `pre` and `post` are `[..., n]`, `res` is `[..., n, n]`, rows are destinations. */
export interface Coefficients {
  pre: tf.Tensor;
  post: tf.Tensor;
  res: tf.Tensor;
}

/** α [3] repeated to one value per column: `counts` times α_pre, α_post, α_res. `[Σ counts]` */
function spreadAlpha(alpha: tf.Tensor, counts: readonly number[]): tf.Tensor {
  return tf.concat(counts.map((count, i) => tf.tile(tf.slice(alpha, [i], [1]), [count])));
}

/**
 * mHC, Eq 16 to 18: H̃ = α ∘ (s p) + b, H_pre = σ(H̃_pre) + ε, H_post = 2 σ(H̃_post); `res` is H̃_res, before Sinkhorn.
 * @param p `[..., n² + 2n]`, columns pre, post, res row-major
 * @param s `[...]`
 * @param alpha `[3]`: α_pre, α_post, α_res
 * @param b `[n² + 2n]`
 * @param epsilon 0 for the paper's convention
 */
export function manifoldMaps(p: tf.Tensor, s: tf.Tensor, alpha: tf.Tensor, b: tf.Tensor, epsilon: number): Coefficients {
  if (hasKernel(MANIFOLD_MAPS)) {
    const [pre, post, res] = runKernel(MANIFOLD_MAPS, [p, s, alpha, b], { epsilon });
    return { pre, post, res };
  }
  const n = streamsOf(b.size);
  const h = tf.add(tf.mul(tf.mul(p, tf.expandDims(s, -1)), spreadAlpha(alpha, [n, n, n * n])), b);
  const [pre, post, res] = tf.split(h, [n, n, n * n], -1);
  const bounded = tf.sigmoid(pre);
  return {
    pre: epsilon === 0 ? bounded : tf.add(bounded, epsilon),
    post: tf.mul(tf.sigmoid(post), 2),
    res: res.reshape([...p.shape.slice(0, -1), n, n]),
  };
}

/** n of n² + 2n. */
export const streamsOf = (width: number): number => Math.round(Math.sqrt(width + 1)) - 1;

/**
 * HC, section 1 of the reference: H = α ∘ tanh(s p)ᵀ + b.
 * @param p `[..., n, n + 2]`, a row per stream, columns pre, post, res row 0 … n − 1
 * @param s `[..., n]`
 * @param alpha `[3]`: α_pre, α_post, α_res
 * @param b `[n + 2, n]`, rows in the order of p's columns
 */
export function hyperMaps(p: tf.Tensor, s: tf.Tensor, alpha: tf.Tensor, b: tf.Tensor): Coefficients {
  if (hasKernel(HYPER_MAPS)) {
    const [pre, post, res] = runKernel(HYPER_MAPS, [p, s, alpha, b]);
    return { pre, post, res };
  }
  const n = b.shape[1] as number;
  const scaled = tf.mul(tf.tanh(tf.mul(p, tf.expandDims(s, -1))), spreadAlpha(alpha, [1, 1, n])); // [..., n, n + 2]
  const axes = p.shape.map((_, i) => i);
  const rows = tf.transpose(scaled, [...axes.slice(0, -2), axes.length - 1, axes.length - 2]); // [..., n + 2, n]
  return splitRows(tf.add(rows, b), n);
}

/** Static HC: b for every token. @param b `[n + 2, n]` @param batch the leading axes of x */
export function staticMaps(b: tf.Tensor, batch: readonly number[]): Coefficients {
  const n = b.shape[1] as number;
  const ones = batch.map(() => 1);
  return splitRows(tf.tile(b.reshape([...ones, n + 2, n]), [...batch, 1, 1]), n);
}

function splitRows(rows: tf.Tensor, n: number): Coefficients {
  const [pre, post, res] = tf.split(rows, [1, 1, n], -2);
  return { pre: tf.squeeze(pre, [-2]), post: tf.squeeze(post, [-2]), res };
}
