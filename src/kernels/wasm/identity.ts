/** Identity on wasm, which need not move any values. */
import type * as tf from '@tensorflow/tfjs';
import type { Replacement } from '../replace.ts';
import type { WasmBackend } from './module.ts';

/** Stock copies. A tensor's values never change in place, so a second tensor may share them, as on the other backends. */
export const identity: Replacement = {
  kernelName: 'Identity',
  kernelFunc: ({ inputs, backend }) => {
    const { dataId, shape, dtype } = inputs['x'] as tf.TensorInfo;
    (backend as WasmBackend).incRef(dataId);
    return { dataId, shape, dtype };
  },
};
