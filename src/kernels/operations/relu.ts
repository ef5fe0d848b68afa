/** max(x, 0), with a gradient in one kernel on cpu and wasm where the stock one takes three. Stock elsewhere. */
import * as tf from '@tensorflow/tfjs';
import { hasKernel, type Operation, runKernel, withGradient } from '../operation.ts';

/** y and dy. */
export const RELU_GRADIENT: Operation = { name: 'GainwatchReluGradient', shapes: ([y]) => [y] };

/** max(x, 0), of any shape. Gradient: dx = dy where the result is above 0, else 0. */
export function relu(x: tf.Tensor): tf.Tensor {
  if (!hasKernel(RELU_GRADIENT)) return tf.relu(x);
  return withGradient(
    [x],
    ([input]) => {
      const value = tf.relu(input);
      return { value, saved: [value] };
    },
    (dy, [y]) => runKernel(RELU_GRADIENT, [y, dy])[0],
  );
}
