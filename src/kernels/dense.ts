/**
 * y = x W, with a gradient that transposes explicitly. The stock gradient asks matMul for transposed operands, which
 * the wasm backend serves from its slow path (1–2 GFLOP/s against 12–30); a 2-D transpose and the fast path are cheaper.
 */
import * as tf from '@tensorflow/tfjs';

/**
 * @param x `[..., K]`
 * @param w `[K, N]`
 * @returns `[..., N]`
 */
export function dense(x: tf.Tensor, w: tf.Tensor): tf.Tensor {
  const [inner, outer] = w.shape;
  if (w.rank !== 2 || x.shape.at(-1) !== inner) {
    throw new Error(`dense: the last axis of x must equal the first of w, got x [${x.shape}] and w [${w.shape}]`);
  }
  const flat = x.reshape([-1, inner]) as tf.Tensor2D;
  return denseFlat(flat, w as tf.Tensor2D).reshape([...x.shape.slice(0, -1), outer]);
}

const denseFlat = tf.customGrad((...args: (tf.Tensor | tf.GradSaveFunc)[]) => {
  const [x, w, save] = args as [tf.Tensor2D, tf.Tensor2D, tf.GradSaveFunc];
  save([x, w]);
  return {
    value: tf.matMul(x, w),
    gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
      const [sx, sw] = saved as [tf.Tensor2D, tf.Tensor2D];
      const dy2 = dy as tf.Tensor2D;
      return tf.tidy(() => [tf.matMul(dy2, tf.transpose(sw)), tf.matMul(tf.transpose(sx), dy2)]);
    },
  };
});
