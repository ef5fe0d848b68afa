/** A custom operation on wasm: outputs made first, then one call with addresses. Registers nothing: accelerate does. */
import type * as tf from '@tensorflow/tfjs';
import { type Attributes, type Operation, withThrough } from '../run.ts';
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
  /** Memory for this call, in floats. */
  scratch: (floats: number) => number;
}

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
        scratch: (floats) => scratch(backend, 4 * floats),
      });
      return withThrough(operation, list, outputs, backend);
    },
  };
}
