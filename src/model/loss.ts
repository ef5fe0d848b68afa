/** Next-byte cross-entropy with a gradient of its own: (softmax − one-hot) / count. */
import * as tf from '@tensorflow/tfjs';

/**
 * Mean of −ln softmax(logits)[target], in nats per byte. Fits `model.compile({ loss })`.
 * @param targets `[...]`, whole numbers in 0 … V − 1, or `[..., V]` one-hot, as model.fit wants them
 * @param logits `[..., V]`
 */
export function crossEntropy(targets: tf.Tensor, logits: tf.Tensor): tf.Scalar {
  const vocabulary = logits.shape.at(-1) as number;
  const flat = logits.reshape([-1, vocabulary]);
  const rowCount = flat.shape[0];
  const isOneHot = targets.size === logits.size;
  if (!isOneHot && targets.size !== rowCount) {
    throw new Error(`crossEntropy: one target for each row of logits, got targets [${targets.shape}] and logits [${logits.shape}]`);
  }
  const loss = tf.customGrad((...args: (tf.Tensor | tf.GradSaveFunc)[]) => {
    const [rows, save] = args as [tf.Tensor, tf.GradSaveFunc];
    const oneHot = isOneHot
      ? targets.reshape([-1, vocabulary])
      : tf.oneHot(targets.reshape([-1]).toInt() as tf.Tensor1D, vocabulary).toFloat();
    const shifted = tf.sub(rows, tf.max(rows, -1, true));
    const exp = tf.exp(shifted);
    const total = tf.sum(exp, -1, true);
    save([tf.div(exp, total), oneHot]);
    const value = tf.div(tf.sub(tf.sum(tf.log(total)), tf.sum(tf.mul(shifted, oneHot))), rowCount);
    return {
      value,
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => tf.tidy(() => tf.mul(tf.sub(saved[0], saved[1]), tf.div(dy, rowCount))),
    };
  });
  return loss(flat) as tf.Scalar;
}
