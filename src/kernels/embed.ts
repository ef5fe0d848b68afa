/** Rows of a table by index, with a gradient that needs no UnsortedSegmentSum (the wasm backend has none): oneHotᵀ · dy. */
import * as tf from '@tensorflow/tfjs';

/**
 * @param table `[V, C]`
 * @param indices int32 `[...]`, each in 0 … V − 1
 * @returns `[..., C]`
 */
export function embed(table: tf.Tensor2D, indices: tf.Tensor): tf.Tensor {
  const [vocabulary, channels] = table.shape;
  const flat = indices.reshape([-1]).toInt() as tf.Tensor1D;
  const lookup = tf.customGrad((...args: (tf.Tensor | tf.GradSaveFunc)[]) => {
    const [t, save] = args as [tf.Tensor2D, tf.GradSaveFunc];
    save([flat]);
    return {
      value: tf.gather(t, flat),
      gradFunc: (dy: tf.Tensor, [saved]: tf.Tensor[]) =>
        tf.tidy(() => tf.matMul(tf.transpose(tf.oneHot(saved as tf.Tensor1D, vocabulary).toFloat() as tf.Tensor2D), dy as tf.Tensor2D)),
    };
  });
  return lookup(table).reshape([...indices.shape, channels]);
}
