/** A wasm kernel as most of ours are: outputs made first, then one call with addresses. Registers nothing: accelerate does. */
import type * as tf from '@tensorflow/tfjs';
import type { Functions } from './functions.ts';
import { makeOutput, pointer, wasmFunctions } from './module.ts';

/** What a kernel's body gets: inputs and outputs by their addresses. */
export interface Run<Name extends string, Attributes> {
  functions: Functions;
  backend: unknown;
  shapes: Record<Name, number[]>;
  /** Addresses on the heap, in bytes. */
  inputs: Record<Name, number>;
  outputs: number[];
  attributes: Attributes;
}

/** @param shapes of the outputs (all float32, content unspecified), from the shapes of the inputs by their names */
export function wasmKernel<Name extends string, Attributes = object>(
  kernelName: string,
  shapes: (inputs: Record<Name, number[]>, attributes: Attributes) => number[][],
  run: (run: Run<Name, Attributes>) => void,
): tf.KernelConfig {
  return {
    kernelName,
    backendName: 'wasm',
    kernelFunc: ({ inputs, attrs, backend }) => {
      const inputShapes = {} as Record<Name, number[]>;
      const addresses = {} as Record<Name, number>;
      for (const [name, tensor] of Object.entries(inputs) as [Name, tf.TensorInfo][]) {
        inputShapes[name] = tensor.shape;
        addresses[name] = pointer(backend, tensor);
      }
      const results = shapes(inputShapes, attrs as Attributes).map((shape) => makeOutput(backend, shape));
      const outputs = results.map((t) => pointer(backend, t));
      run({ functions: wasmFunctions(backend), backend, shapes: inputShapes, inputs: addresses, outputs, attributes: attrs as Attributes });
      return results;
    },
  };
}
