/** The values of tensors on the two backends whose memory the host can touch: cpu (its typed arrays) and wasm (views of its heap). */
import * as tf from '@tensorflow/tfjs';
import { cpuValues, type HostArray } from './cpu/cpuKernel.ts';
import type { WasmBackend } from './wasm/module.ts';

/**
 * The values of a tensor where they lie, without a copy and without an operation, on cpu and wasm; null elsewhere. To be
 * read at once: an allocation may move wasm's heap.
 */
export function hostValues(tensor: tf.TensorInfo): HostArray | null {
  const name = tf.getBackend();
  if (name === 'cpu') return cpuValues(tf.backend(), tensor);
  return name === 'wasm' ? (tf.backend() as unknown as WasmBackend).typedArrayFromHeap(tensor) : null;
}
