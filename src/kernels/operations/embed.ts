/**
 * Rows of a table by index. The stock gradient needs UnsortedSegmentSum, which the wasm backend has only after accelerate;
 * where it is missing, the gradient is oneHotᵀ · dy.
 */
import * as tf from '@tensorflow/tfjs';
import { withGradient } from '../operation.ts';

/**
 * @param table `[V, C]`
 * @param indices int32 `[...]`, each in 0 … V − 1
 * @returns `[..., C]`
 */
export function embed(table: tf.Tensor2D, indices: tf.Tensor): tf.Tensor {
  const [vocabulary, channels] = table.shape;
  const flat = indices.reshape([-1]).toInt() as tf.Tensor1D;
  const hasGradient = tf.getKernel(tf.UnsortedSegmentSum, tf.getBackend()) != null;
  const lookup = hasGradient ? (t: tf.Tensor) => tf.gather(t, flat) : withOneHotGradient(flat, vocabulary);
  return lookup(table).reshape([...indices.shape, channels]);
}

function withOneHotGradient(flat: tf.Tensor1D, vocabulary: number): (table: tf.Tensor) => tf.Tensor {
  return (table) =>
    withGradient(
      [table],
      ([rows]) => ({ value: tf.gather(rows, flat), saved: [flat] }),
      (dy, [indices]) =>
        tf.tidy(() => tf.matMul(tf.oneHot(indices as tf.Tensor1D, vocabulary).toFloat() as tf.Tensor2D, dy as tf.Tensor2D, true, false)),
    );
}
