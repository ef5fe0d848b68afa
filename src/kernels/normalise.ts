/** RMS normalisation over the last axis, without a gain: x / √(mean x² + ε). Composed of stock operations. */
import * as tf from '@tensorflow/tfjs';

/** @param x `[..., C]`  @returns the same shape */
export function rmsNormalise(x: tf.Tensor, epsilon: number): tf.Tensor {
  return tf.mul(x, tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), epsilon)));
}
