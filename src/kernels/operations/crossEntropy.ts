/** Cross-entropy against one right column per row, with a gradient of its own. One kernel on cpu and wasm, composed elsewhere. */
import * as tf from '@tensorflow/tfjs';
import { hasKernel, type Operation, runKernel, withGradient } from '../operation.ts';

/** Logits and targets, to the loss and the probabilities. */
export const CROSS_ENTROPY: Operation = { name: 'GainwatchCrossEntropy', shapes: ([logits]) => [[], logits] };
/** Probabilities, targets and dy. */
export const CROSS_ENTROPY_GRADIENT: Operation = { name: 'GainwatchCrossEntropyGradient', shapes: ([probabilities]) => [probabilities] };

/**
 * Mean over the rows of −ln softmax(logits)[target], in nats.
 * @param logits `[R, V]`
 * @param targets int32 `[R]`, each in 0 … V − 1; another makes the loss NaN where there is a kernel
 * @throws Error where there is not one target for each row
 */
export function sparseCrossEntropy(logits: tf.Tensor, targets: tf.Tensor): tf.Scalar {
  const [rows, size] = logits.shape;
  if (logits.rank !== 2 || targets.size !== rows) {
    throw new Error(`sparseCrossEntropy: one target for each row of logits, got targets [${targets.shape}] and logits [${logits.shape}]`);
  }
  if (!hasKernel(CROSS_ENTROPY)) return denseCrossEntropy(logits, tf.oneHot(targets as tf.Tensor1D, size).toFloat());
  return withGradient(
    [logits],
    ([x]) => {
      const [value, probabilities] = runKernel(CROSS_ENTROPY, [x, targets]);
      return { value, saved: [probabilities, targets] };
    },
    (dy, saved) => runKernel(CROSS_ENTROPY_GRADIENT, [...saved, dy])[0],
  ) as tf.Scalar;
}

/**
 * The same of stock operations, against a distribution for each row.
 * @param logits `[R, V]`
 * @param oneHot `[R, V]`, rows that sum to 1
 */
export function denseCrossEntropy(logits: tf.Tensor, oneHot: tf.Tensor): tf.Scalar {
  const rowCount = logits.shape[0];
  return withGradient(
    [logits],
    ([rows]) => {
      const shifted = tf.sub(rows, tf.max(rows, -1, true));
      const exp = tf.exp(shifted);
      const total = tf.sum(exp, -1, true);
      const value = tf.div(tf.sub(tf.sum(tf.log(total)), tf.sum(tf.mul(shifted, oneHot))), rowCount);
      return { value, saved: [tf.div(exp, total), oneHot] };
    },
    (dy, [probabilities, targets]) => tf.tidy(() => tf.mul(tf.sub(probabilities, targets), tf.div(dy, rowCount))),
  ) as tf.Scalar;
}
