/** The plain residual connection as a function over tensors; its layer is in layers.ts. */
import * as tf from '@tensorflow/tfjs';
import { type ConnectionObserver, unobserved } from './observer.ts';

export type Branch = (u: tf.Tensor) => tf.Tensor;

/** x' = x + F(x). @param x `[..., C]` @returns the same shape */
export function residual(x: tf.Tensor, branch: Branch, observer: ConnectionObserver = unobserved): tf.Tensor {
  const input = observer.enter(x);
  const output = observer.branch(() => branch(input));
  return observer.leave(tf.add(input, output), null, null);
}
