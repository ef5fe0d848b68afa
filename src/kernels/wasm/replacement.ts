/** A kernel of ours in the place of a stock one, or where a backend has none. */
import type * as tf from '@tensorflow/tfjs';

export interface Replacement {
  /** The name that TF.js calls it by. */
  kernelName: string;
  /** @param stock what was registered before, for what ours leaves to it; throws where nothing was */
  kernelFunc: (params: Parameters<tf.KernelFunc>[0], stock: tf.KernelFunc) => ReturnType<tf.KernelFunc>;
}
