/** The coefficients of an HC connection: from its projection, scaled, bounded and shifted, or static ones. */
import * as tf from '@tensorflow/tfjs';
import { hasKernel, type Operation, registerGradientKernel, runKernel } from '../operation.ts';
import { type Coefficients, coefficientShapes, parameterShapes, spreadAlpha } from './coefficients.ts';

/** p, s, α and b, to pre, post and res. */
export const HYPER_MAPS: Operation = {
  name: 'GainwatchHyperMaps',
  shapes: ([p]) => coefficientShapes(p.slice(0, -2), p.at(-2) as number),
};
/** p, s, α, b and the gradients of pre, post and res. */
export const HYPER_MAPS_GRADIENT: Operation = { name: 'GainwatchHyperMapsGradient', shapes: parameterShapes };

registerGradientKernel(HYPER_MAPS, HYPER_MAPS_GRADIENT, 4);

/**
 * H = α ∘ tanh(s p)ᵀ + b (Eq 5 of arXiv 2512.24880; src/README.md, "Connections").
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

/** @param rows `[..., n + 2, n]` */
function splitRows(rows: tf.Tensor, n: number): Coefficients {
  const [pre, post, res] = tf.split(rows, [1, 1, n], -2);
  return { pre: tf.squeeze(pre, [-2]), post: tf.squeeze(post, [-2]), res };
}
