/** What connections keep for the backward pass, read off the engine's tape. Runs no operation. */
import * as tf from '@tensorflow/tfjs';

export interface TapeMark {
  /** Nodes on the tape; −1: no tape is running. */
  length: number;
}

export function markTape(): TapeMark {
  const { state } = tf.engine();
  return { length: state.gradientDepth > 0 ? state.activeTape.length : -1 };
}

const bytesOf = (tensor: tf.Tensor): number => tensor.size * tf.util.bytesPerElement(tensor.dtype);

/**
 * Bytes of the buffers that the tape's nodes of this stretch saved, and that none before saved: each buffer is counted
 * once, where it is first kept. Weights are not.
 * @param known buffers counted so far in this step; grows
 */
export function savedBytes(from: TapeMark, to: TapeMark, known: Set<object>, weights: Set<object>): number {
  let bytes = 0;
  for (const node of tf.engine().state.activeTape.slice(from.length, to.length)) {
    for (const tensor of node.saved ?? []) {
      if (known.has(tensor.dataId) || weights.has(tensor.dataId)) continue;
      known.add(tensor.dataId);
      bytes += bytesOf(tensor);
    }
  }
  return bytes;
}

/** Buffers of all variables the engine knows. */
export function variableBuffers(): Set<object> {
  return new Set(Object.values(tf.engine().registeredVariables).map((variable) => variable.dataId));
}

/** Bytes that the backend holds now. */
export const allocatedBytes = (): number => tf.engine().state.numBytes;
