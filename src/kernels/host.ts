/**
 * The values of tensors on the two backends whose memory the host can touch: cpu (its typed arrays) and wasm (views of its heap); and
 * their dot products with one another, without an operation: in SIMD on wasm's heap where our kernels are registered.
 */
import * as tf from '@tensorflow/tfjs';
import { cpuValues, dotProduct, type HostArray } from './cpu/cpuKernel.ts';
import { hasKernel } from './operation.ts';
import { SQUARED_NORM } from './operations/squaredNorm.ts';
import { type WasmBackend, wasmFunctions } from './wasm/module.ts';

/**
 * The values of a tensor where they lie, without a copy and without an operation, on cpu and wasm; null elsewhere. To be
 * read at once: an allocation may move wasm's heap.
 */
export function hostValues(tensor: tf.TensorInfo): HostArray | null {
  const name = tf.getBackend();
  if (name === 'cpu') return cpuValues(tf.backend(), tensor);
  return name === 'wasm' ? (tf.backend() as unknown as WasmBackend).typedArrayFromHeap(tensor) : null;
}

/** Σ_c values[a + c] · values[b + c], c from 0 to length − 1. */
export type Dot = (a: number, b: number, length: number) => number;

/**
 * In float32 on wasm where our kernels are registered, in float64 elsewhere.
 * @param values of `hostValues`; to be used at once: an allocation may move wasm's heap
 */
export function dotOf(values: HostArray): Dot {
  if (tf.getBackend() === 'wasm' && values instanceof Float32Array && hasKernel(SQUARED_NORM)) {
    const { dot } = wasmFunctions(tf.backend());
    const start = values.byteOffset;
    return (a, b, length) => dot(start + 4 * a, start + 4 * b, 4 * length);
  }
  return (a, b, length) => dotProduct(values, a, values, b, length);
}
