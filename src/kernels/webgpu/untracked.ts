/** Work of a monitor on WebGPU that TF.js does not track: it must neither submit nor allocate anything otherwise because of it. */
import * as tf from '@tensorflow/tfjs';
import type { WebGPUBackend } from './program.ts';

/** The current backend where it is webgpu; null where it is another. */
export function currentWebGPU(): WebGPUBackend | null {
  return tf.getBackend() === 'webgpu' ? (tf.backend() as WebGPUBackend) : null;
}

/** Below any number of dispatches that a step makes: while it is the count, TF.js submits nothing. */
const NEVER_SUBMIT = -1e9;

/**
 * Runs shaders that TF.js does not count: it submits after every 15th, and a watched step has to be submitted as an
 * unwatched one is.
 */
export function untracked(backend: WebGPUBackend, run: () => void): void {
  const counting = backend as { dispatchCountInPass?: number };
  const before = counting.dispatchCountInPass;
  if (before !== undefined) counting.dispatchCountInPass = NEVER_SUBMIT;
  try {
    run();
  } finally {
    if (before !== undefined) counting.dispatchCountInPass = before;
  }
}

/**
 * Tensors as they are on the device. What is still on the host stays there: TF.js computes small operations where their
 * inputs are, and the training has to go on in the same place.
 */
export function onDevice(backend: WebGPUBackend, tensors: readonly tf.TensorInfo[], run: (tensors: tf.TensorInfo[]) => void): void {
  const copies: tf.TensorInfo[] = [];
  const there = tensors.map((tensor) => {
    const { resource, values } = backend.tensorMap.get(tensor.dataId);
    if (resource != null || values == null) return tensor;
    const copy = backend.makeTensorInfo(tensor.shape, tensor.dtype, values);
    copies.push(copy);
    return copy;
  });
  run(there);
  for (const { dataId } of copies) backend.disposeData(dataId);
}
