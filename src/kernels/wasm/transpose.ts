/** Transpose on wasm. */
import * as tf from '@tensorflow/tfjs';
import type { Replacement } from '../replace.ts';
import type { Functions } from './functions.ts';
import { makeOutput, pointer, wasmFunctions } from './module.ts';

/** The axes that assembly/transpose.ts loops over. */
const AXES = 6;
/** Sizes of all axes of the output, then their strides in the input. */
type Axes = Parameters<Functions['transpose']> extends [unknown, unknown, ...infer Rest] ? Rest : never;

/** Stock is slow from 5 axes on, and copies [B, T, H, D] to [B, H, T, D] value by value. */
export const transpose: Replacement = {
  kernelName: 'Transpose',
  kernelFunc: (params, stock) => {
    const { inputs, attrs, backend } = params;
    const x = inputs['x'] as tf.TensorInfo;
    const { perm } = attrs as { perm: number[] };
    const { sizes, strides } = transposedAxes(x.shape, perm);
    if (tf.util.bytesPerElement(x.dtype) !== 4 || sizes.length === 1 || sizes.length > AXES) return stock(params); // also: nothing moves
    const outShape = perm.map((axis) => x.shape[axis]);
    const out = makeOutput(backend, outShape, x.dtype);
    const missing = AXES - sizes.length;
    const [ones, zeros] = [Array<number>(missing).fill(1), Array<number>(missing).fill(0)];
    const axes = [...ones, ...sizes, ...zeros, ...strides] as Axes;
    wasmFunctions(backend).transpose(pointer(backend, x), pointer(backend, out), ...axes);
    return out;
  },
};

/** Sizes of the output's axes and their strides in the input, in values. Axes that stay side by side are one; those of size 1 go. */
function transposedAxes(shape: readonly number[], perm: readonly number[]): { sizes: number[]; strides: number[] } {
  const steps = tf.util.computeStrides([...shape]);
  const sizes: number[] = [];
  const strides: number[] = [];
  for (const axis of perm) {
    const size = shape[axis];
    if (size === 1) continue;
    const step = axis === shape.length - 1 ? 1 : steps[axis];
    const end = sizes.length - 1;
    if (end >= 0 && strides[end] === step * size) {
      sizes[end] *= size;
      strides[end] = step;
    } else {
      sizes.push(size);
      strides.push(step);
    }
  }
  return sizes.length === 0 ? { sizes: [1], strides: [1] } : { sizes, strides };
}
