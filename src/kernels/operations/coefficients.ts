/** What hyperMaps and manifoldMaps share: the shapes of a connection's coefficients, and α spread over their columns. No operation. */
import * as tf from '@tensorflow/tfjs';
import type { Operation } from '../operation.ts';

/** `pre` and `post` are `[..., n]`, `res` is `[..., n, n]`, rows are destinations. */
export interface Coefficients {
  pre: tf.Tensor;
  post: tf.Tensor;
  res: tf.Tensor;
}

/** Shapes of pre, post and res. @param lead the leading axes, `[...]` */
export const coefficientShapes = (lead: readonly number[], n: number): number[][] => [[n], [n], [n, n]].map((own) => [...lead, ...own]);

/** Shapes of the gradients of p, s, α and b: their own. */
export const parameterShapes: Operation['shapes'] = ([p, s, alpha, b]) => [p, s, alpha, b];

/** n of n² + 2n, the values of a token. */
export const streamsOf = (width: number): number => Math.round(Math.sqrt(width + 1)) - 1;

/** α [3] repeated to one value per column: `counts` times α_pre, α_post, α_res. `[Σ counts]` */
export function spreadAlpha(alpha: tf.Tensor, counts: readonly number[]): tf.Tensor {
  return tf.concat(counts.map((count, i) => tf.tile(tf.slice(alpha, [i], [1]), [count])));
}
