/**
 * One plain-TypeScript computation as a TF.js kernel on cpu, straight on the tensors' typed arrays. What an operation means, and what
 * its gradient is, is in its file in operations/.
 */
import * as tf from '@tensorflow/tfjs';
import { type Attributes, kernelFor, type Operation } from '../operation.ts';

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
export const cpuKernel = (operation: Operation, compute: Compute): tf.KernelConfig =>
  kernelFor<CpuBackend>(
    operation,
    'cpu',
    (backend, shapes) => shapes.map((shape) => backend.makeTensorInfo(shape, 'float32', new Float32Array(tf.util.sizeFromShape(shape)))),
    ({ backend, inputs, outputs, shapes, attributes }) => {
      const valuesOf = (tensor: tf.TensorInfo) => cpuValues(backend, tensor);
      compute(inputs.map(valuesOf), outputs.map(valuesOf) as Float32Array[], shapes, attributes);
    },
  );

/** Σ_i a[fromA + i] · b[fromB + i], i from 0 to length − 1, in float64. */
export function dotProduct(a: ArrayLike<number>, fromA: number, b: ArrayLike<number>, fromB: number, length: number): number {
  let sum = 0;
  for (let i = 0; i < length; i++) sum += a[fromA + i] * b[fromB + i];
  return sum;
}
