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
  const channels = table.shape[1];
  const flat = indices.reshape([-1]).toInt() as tf.Tensor1D;
  const hasGradient = tf.getKernel(tf.UnsortedSegmentSum, tf.getBackend()) != null;
  const rows = hasGradient ? tf.gather(table, flat) : gatherWithOneHot(table, flat);
  return rows.reshape([...indices.shape, channels]);
}

function gatherWithOneHot(table: tf.Tensor2D, flat: tf.Tensor1D): tf.Tensor {
  return withGradient(
    [table],
    ([rows]) => ({ value: tf.gather(rows, flat), saved: [flat] }),
    (dy, [indices]) =>
      tf.tidy(() => tf.matMul(tf.oneHot(indices as tf.Tensor1D, table.shape[0]).toFloat() as tf.Tensor2D, dy as tf.Tensor2D, true, false)),
  );
}
