/** An operation's kernel on wasm: outputs made first, then one call with addresses. */
import * as tf from '@tensorflow/tfjs';
import { type KernelCall, kernelFor, type Operation } from '../operation.ts';
import type { Functions } from './functions.ts';
import { makeOutput, pointer, scratch, wasmFunctions } from './module.ts';

export interface Call extends Pick<KernelCall<unknown>, 'shapes' | 'attributes'> {
  functions: Functions;
  /** Addresses of the inputs and of the outputs that are computed. */
  inputs: number[];
  outputs: number[];
  /** The address of memory for this call: of the bytes that a function's `…Scratch` asks for. */
  scratch: (bytes: number) => number;
}

/** @param run fills the outputs */
export const wasmKernel = (operation: Operation, run: (call: Call) => void): tf.KernelConfig =>
  kernelFor(
    operation,
    'wasm',
    (backend, shapes) => shapes.map((shape) => makeOutput(backend, shape)),
    ({ backend, inputs, outputs, shapes, attributes }) => {
      const address = (tensor: tf.TensorInfo) => pointer(backend, tensor);
      run({
        functions: wasmFunctions(backend),
        inputs: inputs.map(address),
        outputs: outputs.map(address),
        shapes,
        attributes,
        scratch: (bytes) => scratch(backend, bytes),
      });
    },
  );

/** How many values a tensor of this shape has. */
export const sizeOf = (shape: readonly number[]): number => tf.util.sizeFromShape([...shape]);

/** [tokens, n, C] of streams `[..., n, C]`. */
export function streamSizes(shape: readonly number[]): [tokens: number, n: number, channels: number] {
  const [n, channels] = shape.slice(-2);
  return [sizeOf(shape.slice(0, -2)), n, channels];
}
