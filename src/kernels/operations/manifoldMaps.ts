/** The coefficients of an mHC connection from its projection: scaled, shifted, bounded. Sinkhorn comes after it (sinkhorn.ts). */
import * as tf from '@tensorflow/tfjs';
import { hasKernel, type Operation, registerGradientKernel, runKernel } from '../operation.ts';
import { type Coefficients, coefficientShapes, parameterShapes, spreadAlpha, streamsOf } from './coefficients.ts';

/** p, s, α and b, to pre, post and res. Its attribute is ε. */
export const MANIFOLD_MAPS: Operation = {
  name: 'GainwatchManifoldMaps',
  shapes: ([p]) => coefficientShapes(p.slice(0, -1), streamsOf(p.at(-1) as number)),
};
/** p, s, α, b and the gradients of pre, post and res. */
export const MANIFOLD_MAPS_GRADIENT: Operation = { name: 'GainwatchManifoldMapsGradient', shapes: parameterShapes };

registerGradientKernel(MANIFOLD_MAPS, MANIFOLD_MAPS_GRADIENT, 4);

/**
 * H̃ = α ∘ (s p) + b, H_pre = σ(H̃_pre) + ε, H_post = 2 σ(H̃_post); `res` is H̃_res, before Sinkhorn (Eq 16 to 18 of
 * arXiv 2512.24880; src/README.md, "Connections").
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
