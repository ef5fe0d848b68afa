/**
 * The projection of a vector and the inverse of its RMS in one pass over it. mHC projects all n streams of
 * a token as one vector (K = nC), HC each stream by itself (K = C).
 */
import * as tf from '@tensorflow/tfjs';
import { hasKernel, type Operation, registerGradientKernel, runKernel } from '../operation.ts';

/** x and W, to p, s and x itself. Its attributes are `axes` and `epsilon`. */
export const PROJECT: Operation = {
  name: 'GainwatchProject',
  shapes: ([x, w], { axes }) => {
    const { lead } = rowsOf(x, axes as number);
    return [[...lead, w[1]], lead];
  },
  through: 0,
};
/** x, W, s, dp, ds and dx̂. */
export const PROJECT_GRADIENT: Operation = { name: 'GainwatchProjectGradient', shapes: ([x, w]) => [x, w] };

registerGradientKernel(PROJECT, PROJECT_GRADIENT, 2, [false, true, false]);

export interface Projection {
  /** x W, `[..., M]` */
  p: tf.Tensor;
  /** 1 / √(mean x² + ε), `[...]` */
  s: tf.Tensor;
  /** x itself, for its later uses: their gradient comes back through this operation, which adds its own to it. */
  x: tf.Tensor;
}

/** `[..., K axes]` as [rows, K]. @param axes how many of the last axes make up K */
function rowsOf(shape: readonly number[], axes: number): { lead: number[]; rows: number; length: number } {
  const lead = shape.slice(0, shape.length - axes);
  return { lead, rows: tf.util.sizeFromShape(lead), length: tf.util.sizeFromShape(shape.slice(shape.length - axes)) };
}

/**
 * p = x W and s = (mean x² + ε)^(−1/2), so that RMSNorm(x) W = s p (Eq 14 and 15 of arXiv 2512.24880).
 * Gradient: dx = dx̂ + dp Wᵀ − ds s³ x / K, dW = xᵀ dp.
 * 2 M K operations a row, and x is read once where there is a kernel (src/README.md, "Costs").
 * @param x `[..., K]`, where the last `axes` axes make up K
 * @param w `[K, M]`
 * @throws Error where the shapes do not fit
 */
export function project(x: tf.Tensor, w: tf.Tensor, axes: number, epsilon: number): Projection {
  const { lead, rows, length } = rowsOf(x.shape, axes);
  if (w.rank !== 2 || w.shape[0] !== length) {
    throw new Error(`project: the last ${axes} axes of x must make up the first of w, got x [${x.shape}] and w [${w.shape}]`);
  }
  if (hasKernel(PROJECT)) {
    const [p, s, through] = runKernel(PROJECT, [x, w], { axes, epsilon });
    return { p, s, x: through };
  }
  const flat = x.reshape([rows, length]) as tf.Tensor2D;
  const s = tf.rsqrt(tf.add(tf.mean(tf.square(flat), -1), epsilon));
  return { p: tf.matMul(flat, w as tf.Tensor2D).reshape([...lead, w.shape[1] as number]), s: s.reshape(lead), x };
}
