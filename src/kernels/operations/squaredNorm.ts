/** Σ x² over any number of tensors as one scalar. One kernel on cpu, wasm and webgpu, composed elsewhere. No gradient. */
import * as tf from '@tensorflow/tfjs';
import { hasKernel, type Operation, runKernel } from '../operation.ts';

/** Any number of tensors, to a scalar. */
export const SQUARED_NORM: Operation = { name: 'GainwatchSquaredNorm', shapes: () => [[]] };

/** Σ over all tensors of the squares of their elements; a scalar. Summed in float64 on cpu and wasm, in float32 elsewhere. */
export function squaredNorm(tensors: readonly tf.Tensor[]): tf.Scalar {
  if (tensors.length === 0) return tf.scalar(0);
  if (hasKernel(SQUARED_NORM)) return runKernel(SQUARED_NORM, tensors)[0] as tf.Scalar;
  // Not addN: on webgpu it binds all its inputs at once, and a device has few bindings.
  return tf.tidy(() => tf.sum(tf.concat(tensors.map((t) => tf.sum(tf.square(t)).reshape([1])))) as tf.Scalar);
}
