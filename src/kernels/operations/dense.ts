/** y = x W over the last axis of x. Stock operations: on wasm, accelerate makes their gradient fast. */
import * as tf from '@tensorflow/tfjs';
import { hasKernel, withGradient } from '../operation.ts';
import { WRITE_STREAMS_KEEPING } from './writeStreams.ts';

/**
 * @param x `[..., K]`
 * @param w `[K, N]`
 * @returns `[..., N]`
 * @throws Error where the shapes do not fit
 */
export function dense(x: tf.Tensor, w: tf.Tensor): tf.Tensor {
  const [inner, outer] = w.shape;
  if (w.rank !== 2 || x.shape.at(-1) !== inner) {
    throw new Error(`dense: the last axis of x must equal the first of w, got x [${x.shape}] and w [${w.shape}]`);
  }
  return reshape(tf.matMul(x.reshape([-1, inner]) as tf.Tensor2D, w as tf.Tensor2D), [...x.shape.slice(0, -1), outer]);
}

/**
 * Stock reshape keeps its input until the backward pass, for its shape alone. Where a connection keeps F in halves, that would
 * be the same values a second time, in float32.
 */
function reshape(x: tf.Tensor, shape: number[]): tf.Tensor {
  if (!hasKernel(WRITE_STREAMS_KEEPING)) return tf.reshape(x, shape);
  const before = x.shape;
  return withGradient(
    [x],
    ([input]) => ({ value: tf.reshape(input, shape), saved: [] }),
    (dy) => tf.reshape(dy, before),
  );
}
