/**
 * One plain-TypeScript computation as a TF.js kernel on the two backends whose memory the host can touch: cpu (its typed
 * arrays) and wasm (views of its heap, nothing copied). Registers nothing (accelerate.ts does) and says nothing about
 * gradients or other backends: the file of each operation does.
 */
import * as tf from '@tensorflow/tfjs';
import { type Attributes, type Operation, withThrough } from './run.ts';

export type HostArray = Float32Array | Int32Array;

/** Fills the outputs. Their content is unspecified at the start. */
type Compute = (
  inputs: readonly HostArray[],
  outputs: readonly Float32Array[],
  shapes: readonly number[][],
  attributes: Attributes,
) => void;

interface Host {
  /** The values of a tensor where they lie. */
  values: (backend: unknown, tensor: tf.TensorInfo) => HostArray;
  makeOutput: (backend: unknown, shape: number[]) => tf.TensorInfo;
}

/** What we use of the two backends beyond the public KernelBackend. */
interface CpuBackend {
  data: { get(dataId: object): { values: HostArray } };
  makeTensorInfo(shape: number[], dtype: 'float32', values: Float32Array): tf.TensorInfo;
}
interface WasmBackend {
  makeOutput(shape: number[], dtype: 'float32'): tf.TensorInfo;
  typedArrayFromHeap(tensor: tf.TensorInfo): HostArray;
}

const HOSTS: Record<string, Host | undefined> = {
  cpu: {
    values: (backend, tensor) => (backend as CpuBackend).data.get(tensor.dataId).values,
    makeOutput: (backend, shape) =>
      (backend as CpuBackend).makeTensorInfo(shape, 'float32', new Float32Array(tf.util.sizeFromShape(shape))),
  },
  wasm: {
    values: (backend, tensor) => (backend as WasmBackend).typedArrayFromHeap(tensor),
    makeOutput: (backend, shape) => (backend as WasmBackend).makeOutput(shape, 'float32'),
  },
};

/** Inputs reach `compute` in the order in which `runKernel` got them. */
export function hostKernel(backendName: 'cpu' | 'wasm', operation: Operation, compute: Compute): tf.KernelConfig {
  const host = HOSTS[backendName] as Host;
  return {
    kernelName: operation.name,
    backendName,
    kernelFunc: ({ inputs, attrs, backend }) => {
      const list = Object.values(inputs) as tf.TensorInfo[];
      const shapes = list.map((t) => t.shape);
      // Outputs first: an allocation may grow wasm's heap, which detaches every view taken before.
      const outputs = operation.shapes(shapes, attrs as Attributes).map((s) => host.makeOutput(backend, s));
      const valuesOf = (tensor: tf.TensorInfo) => host.values(backend, tensor);
      compute(list.map(valuesOf), outputs.map(valuesOf) as Float32Array[], shapes, attrs as Attributes);
      return withThrough(operation, list, outputs, backend);
    },
  };
}

/**
 * The values of a tensor where they lie, without a copy and without an operation, on cpu and wasm; null elsewhere. To be
 * read at once: an allocation may move wasm's heap.
 */
export function hostValues(tensor: tf.TensorInfo): HostArray | null {
  return HOSTS[tf.getBackend()]?.values(tf.backend(), tensor) ?? null;
}

/** Σ_i a[fromA + i] · b[fromB + i], i from 0 to length − 1, in float64. */
export function dotProduct(a: ArrayLike<number>, fromA: number, b: ArrayLike<number>, fromB: number, length: number): number {
  let sum = 0;
  for (let i = 0; i < length; i++) sum += a[fromA + i] * b[fromB + i];
  return sum;
}
