/** How an operation of ours reaches its kernel. Where the current backend has none, the operation is composed of stock ones. */
import * as tf from '@tensorflow/tfjs';

export function hasKernel(name: string): boolean {
  return tf.getKernel(name, tf.getBackend()) != null;
}

/** Runs a registered kernel through the engine, so that autodiff, tf.memory and tf.profile see it. */
export function runKernel(name: string, inputs: tf.NamedTensorMap, attributes: Record<string, number | boolean> = {}): tf.Tensor[] {
  const result: unknown = tf.engine().runKernel(name, inputs, attributes);
  return Array.isArray(result) ? result : [result as tf.Tensor];
}
