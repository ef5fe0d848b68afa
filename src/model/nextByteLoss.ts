/** Next-byte cross-entropy in the form that training wants it: any leading axes, targets as numbers or one-hot. */
import type * as tf from '@tensorflow/tfjs';
import { denseCrossEntropy, sparseCrossEntropy } from '../kernels/operations/crossEntropy.ts';

/**
 * Mean of −ln softmax(logits)[target], in nats per byte. Fits `model.compile({ loss })`.
 * @param targets `[...]`, whole numbers in 0 … V − 1, or `[..., V]` one-hot, as model.fit wants them
 * @param logits `[..., V]`
 * @throws Error where there is not one target for each row
 */
export function crossEntropy(targets: tf.Tensor, logits: tf.Tensor): tf.Scalar {
  const vocabulary = logits.shape.at(-1) as number;
  const flat = logits.reshape([-1, vocabulary]);
  const rowCount = flat.shape[0];
  if (targets.size === logits.size) return denseCrossEntropy(flat, targets.reshape([-1, vocabulary]));
  if (targets.size !== rowCount) {
    throw new Error(`crossEntropy: one target for each row of logits, got targets [${targets.shape}] and logits [${logits.shape}]`);
  }
  return sparseCrossEntropy(flat, targets.reshape([-1]).toInt());
}
