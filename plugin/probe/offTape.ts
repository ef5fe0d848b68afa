/** Operations that no gradient will see. */
import * as tf from '@tensorflow/tfjs';

export function offTape<T>(run: () => T): T {
  const { state } = tf.engine();
  state.kernelDepth++;
  try {
    return run();
  } finally {
    state.kernelDepth--;
  }
}
