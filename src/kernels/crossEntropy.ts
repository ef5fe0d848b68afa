/** Cross-entropy against one right column per row, with a gradient of its own. One kernel on cpu and wasm, composed elsewhere. */
import * as tf from '@tensorflow/tfjs';
import { hasKernel, type Operation, runKernel } from './run.ts';

/** Logits and targets, to the loss and the probabilities. */
export const CROSS_ENTROPY: Operation = { name: 'GainwatchCrossEntropy', shapes: ([logits]) => [[], logits] };
/** Probabilities, targets and dy. */
export const CROSS_ENTROPY_GRADIENT: Operation = { name: 'GainwatchCrossEntropyGradient', shapes: ([probabilities]) => [probabilities] };

/**
 * Mean over the rows of −ln softmax(logits)[target], in nats.
 * @param logits `[R, V]`
 * @param targets int32 `[R]`, each in 0 … V − 1; another makes the loss NaN where there is a kernel
 */
export function sparseCrossEntropy(logits: tf.Tensor, targets: tf.Tensor): tf.Scalar {
  const [rows, size] = logits.shape;
  if (logits.rank !== 2 || targets.size !== rows) {
    throw new Error(`sparseCrossEntropy: one target for each row of logits, got targets [${targets.shape}] and logits [${logits.shape}]`);
  }
  if (!hasKernel(CROSS_ENTROPY)) return denseCrossEntropy(logits, tf.oneHot(targets as tf.Tensor1D, size).toFloat());
  const loss = tf.customGrad((...args: (tf.Tensor | tf.GradSaveFunc)[]) => {
    const [x, save] = args as [tf.Tensor, tf.GradSaveFunc];
    const [value, probabilities] = runKernel(CROSS_ENTROPY, [x, targets]);
    save([probabilities, targets]);
    return {
      value,
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => runKernel(CROSS_ENTROPY_GRADIENT, [...saved, dy])[0],
    };
  });
  return loss(logits) as tf.Scalar;
}

/** The same of stock operations, against a distribution for each row. @param oneHot `[R, V]`, rows that sum to 1 */
export function denseCrossEntropy(logits: tf.Tensor, oneHot: tf.Tensor): tf.Scalar {
  const rowCount = logits.shape[0];
  const loss = tf.customGrad((...args: (tf.Tensor | tf.GradSaveFunc)[]) => {
    const [rows, save] = args as [tf.Tensor, tf.GradSaveFunc];
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
  return loss(logits) as tf.Scalar;
}
