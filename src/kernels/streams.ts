/**
 * What a connection does to the streams: H_pre x before the branch, H_res x + H_postᵀ F after it (K4 and K5 of the
 * paper). Composed of stock operations; the seam behind which fused kernels can come.
 */
import * as tf from '@tensorflow/tfjs';

/** @param hPre `[..., 1, n]`  @param x `[..., n, C]`  @returns `[..., C]` */
export function readStreams(hPre: tf.Tensor, x: tf.Tensor): tf.Tensor {
  return tf.squeeze(tf.matMul(hPre, x), [-2]);
}

/**
 * @param hRes `[..., n, n]`, rows are destinations  @param x `[..., n, C]`
 * @param hPost `[..., 1, n]`  @param branch `[..., C]`
 * @returns `[..., n, C]`
 */
export function writeStreams(hRes: tf.Tensor, x: tf.Tensor, hPost: tf.Tensor, branch: tf.Tensor): tf.Tensor {
  return tf.add(tf.matMul(hRes, x), tf.matMul(hPost, tf.expandDims(branch, -2), true, false));
}
