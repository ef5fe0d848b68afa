/** Identity on wasm by one more reference to the values, as on cpu. The stock kernel copies, and the tape's every save is one. */
import type * as tf from '@tensorflow/tfjs';
import { sameValues } from '../run.ts';
import type { Replacement } from './replacement.ts';

export const identity: Replacement = {
  kernelName: 'Identity',
  kernelFunc: (params, stock) => {
    const { x } = params.inputs as { x: tf.TensorInfo };
    // Strings lie outside the heap, and have no count of references there.
    return x.dtype === 'string' ? stock(params) : sameValues(x, params.backend as tf.KernelBackend);
  },
};
