/** max(x, 0), with a gradient in one kernel on cpu and wasm where the stock one takes three. Stock elsewhere. */
import * as tf from '@tensorflow/tfjs';
import { hasKernel, type Operation, runKernel } from './run.ts';

/** y and dy. */
export const RELU_GRADIENT: Operation = { name: 'GainwatchReluGradient', shapes: ([y]) => [y] };

/** @returns the shape of x */
export function relu(x: tf.Tensor): tf.Tensor {
  if (!hasKernel(RELU_GRADIENT)) return tf.relu(x);
  const apply = tf.customGrad((...args: (tf.Tensor | tf.GradSaveFunc)[]) => {
    const [input, save] = args as [tf.Tensor, tf.GradSaveFunc];
    const value = tf.relu(input);
    save([value]);
    return { value, gradFunc: (dy: tf.Tensor, [y]: tf.Tensor[]) => runKernel(RELU_GRADIENT, [y, dy])[0] };
  });
  return apply(x);
}
