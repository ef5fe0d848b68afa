/** Products of stretches of one tensor's values, without an operation: in SIMD where they lie on wasm's heap and our kernels are in place. */
import * as tf from '@tensorflow/tfjs';
import { dotProduct, type HostArray } from './host.ts';
import { hasKernel } from './run.ts';
import { SQUARED_NORM } from './squaredNorm.ts';
import { wasmFunctions } from './wasm/module.ts';

/** Σ_c values[a + c] · values[b + c], c from 0 to length − 1. */
export type Dot = (a: number, b: number, length: number) => number;

/** @param values of `hostValues`; to be used at once, as they are */
export function dotOf(values: HostArray): Dot {
  if (tf.getBackend() === 'wasm' && values instanceof Float32Array && hasKernel(SQUARED_NORM)) {
    const { dot } = wasmFunctions(tf.backend());
    const start = values.byteOffset;
    return (a, b, length) => dot(start + 4 * a, start + 4 * b, 4 * length);
  }
  return (a, b, length) => dotProduct(values, a, values, b, length);
}
