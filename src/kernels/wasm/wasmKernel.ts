/** A custom operation on wasm: outputs made first, then one call with addresses. Registers nothing: accelerate does. */
import * as tf from '@tensorflow/tfjs';
import { type Attributes, type Operation, withThrough } from '../operation.ts';
import type { Functions } from './functions.ts';
import { makeOutput, pointer, scratch, wasmFunctions } from './module.ts';

export interface Call {
  functions: Functions;
  /** Addresses of the inputs and of the outputs that are computed. */
  inputs: number[];
  outputs: number[];
  /** Of the inputs. */
  shapes: number[][];
  attributes: Attributes;
  /** The address of memory for this call: of the bytes that a function's `…Scratch` asks for. */
  scratch: (bytes: number) => number;
}

/** @param run fills the outputs */
export function wasmKernel(operation: Operation, run: (call: Call) => void): tf.KernelConfig {
  return {
    kernelName: operation.name,
    backendName: 'wasm',
    kernelFunc: ({ inputs, attrs, backend }) => {
      const list = Object.values(inputs) as tf.TensorInfo[];
      const shapes = list.map((t) => t.shape);
      const attributes = attrs as Attributes;
      const outputs = operation.shapes(shapes, attributes).map((shape) => makeOutput(backend, shape));
      const address = (tensor: tf.TensorInfo) => pointer(backend, tensor);
      run({
        functions: wasmFunctions(backend),
        inputs: list.map(address),
        outputs: outputs.map(address),
        shapes,
        attributes,
        scratch: (bytes) => scratch(backend, bytes),
      });
      return withThrough(operation, list, outputs, backend);
    },
  };
}

/** How many values a tensor of this shape has. */
export const sizeOf = (shape: readonly number[]): number => tf.util.sizeFromShape([...shape]);

/** [tokens, n, C] of streams `[..., n, C]`. */
export function streamSizes(shape: readonly number[]): [tokens: number, n: number, channels: number] {
  const [n, channels] = shape.slice(-2);
  return [sizeOf(shape.slice(0, -2)), n, channels];
}
