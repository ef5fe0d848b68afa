/**
 * One plain-TypeScript computation as a TF.js kernel on cpu, straight on the tensors' typed arrays: the reference for the fast ones.
 * Registers nothing (accelerate.ts does) and says nothing about gradients: the file of each operation does.
 */
import * as tf from '@tensorflow/tfjs';
import { type Attributes, type Operation, withThrough } from '../operation.ts';

export type HostArray = Float32Array | Int32Array;

/** Fills the outputs. Their content is unspecified at the start. */
type Compute = (
  inputs: readonly HostArray[],
  outputs: readonly Float32Array[],
  shapes: readonly number[][],
  attributes: Attributes,
) => void;

/** What we use of the backend beyond the public KernelBackend. */
interface CpuBackend {
  data: { get(dataId: object): { values: HostArray } };
  makeTensorInfo(shape: number[], dtype: 'float32', values: Float32Array): tf.TensorInfo;
}

/** The values of a tensor of the cpu backend where they lie. */
export const cpuValues = (backend: unknown, { dataId }: tf.TensorInfo): HostArray => (backend as CpuBackend).data.get(dataId).values;

/** @param compute gets the inputs in the order in which `runKernel` got them */
export function cpuKernel(operation: Operation, compute: Compute): tf.KernelConfig {
  return {
    kernelName: operation.name,
    backendName: 'cpu',
    kernelFunc: ({ inputs, attrs, backend }) => {
      const list = Object.values(inputs) as tf.TensorInfo[];
      const shapes = list.map((t) => t.shape);
      const attributes = attrs as Attributes;
      const outputs = operation
        .shapes(shapes, attributes)
        .map((shape) => (backend as CpuBackend).makeTensorInfo(shape, 'float32', new Float32Array(tf.util.sizeFromShape(shape))));
      const valuesOf = (tensor: tf.TensorInfo) => cpuValues(backend, tensor);
      compute(list.map(valuesOf), outputs.map(valuesOf) as Float32Array[], shapes, attributes);
      return withThrough(operation, list, outputs, backend);
    },
  };
}

/** Σ_i a[fromA + i] · b[fromB + i], i from 0 to length − 1, in float64. */
export function dotProduct(a: ArrayLike<number>, fromA: number, b: ArrayLike<number>, fromB: number, length: number): number {
  let sum = 0;
  for (let i = 0; i < length; i++) sum += a[fromA + i] * b[fromB + i];
  return sum;
}
