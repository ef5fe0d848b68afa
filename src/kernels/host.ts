/**
 * Registers one plain-TypeScript computation as a TF.js kernel on the two backends whose memory the host can touch:
 * cpu (its typed arrays) and wasm (views of its heap, nothing copied). Says nothing about gradients or other backends:
 * the file of each operation does.
 */
import * as tf from '@tensorflow/tfjs';

export type HostArray = Float32Array | Int32Array;
export type Attributes = Record<string, number | boolean>;

export interface HostKernel {
  name: string;
  /** Shapes of the outputs (all float32). */
  shapes: (inputs: readonly number[][], attributes: Attributes) => number[][];
  /** Fills the outputs. Their content is unspecified at the start. */
  compute: (inputs: readonly HostArray[], outputs: readonly Float32Array[], shapes: readonly number[][], attributes: Attributes) => void;
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

const size = (shape: number[]) => shape.reduce((product, d) => product * d, 1);

/** Inputs reach `compute` in the order in which `runHostKernel` got them. */
export function registerHostKernel(kernel: HostKernel): void {
  const listInputs = (inputs: tf.NamedTensorInfoMap) => Object.values(inputs) as tf.TensorInfo[];
  tf.registerKernel({
    kernelName: kernel.name,
    backendName: 'cpu',
    kernelFunc: ({ inputs, attrs, backend }) => {
      const cpu = backend as CpuBackend;
      const list = listInputs(inputs);
      const shapes = list.map((t) => t.shape);
      const outShapes = kernel.shapes(shapes, attrs as Attributes);
      const values = outShapes.map((s) => new Float32Array(size(s)));
      kernel.compute(
        list.map((t) => cpu.data.get(t.dataId).values),
        values,
        shapes,
        attrs as Attributes,
      );
      return outShapes.map((s, i) => cpu.makeTensorInfo(s, 'float32', values[i]));
    },
  });
  tf.registerKernel({
    kernelName: kernel.name,
    backendName: 'wasm',
    kernelFunc: ({ inputs, attrs, backend }) => {
      const wasm = backend as WasmBackend;
      const list = listInputs(inputs);
      const shapes = list.map((t) => t.shape);
      // Outputs first: an allocation may grow the heap, which detaches every view taken before.
      const outputs = kernel.shapes(shapes, attrs as Attributes).map((s) => wasm.makeOutput(s, 'float32'));
      kernel.compute(
        list.map((t) => wasm.typedArrayFromHeap(t)),
        outputs.map((t) => wasm.typedArrayFromHeap(t) as Float32Array),
        shapes,
        attrs as Attributes,
      );
      return outputs;
    },
  });
}

/**
 * The values of a tensor where they lie, without a copy and without an operation, on cpu and wasm; null elsewhere. To be
 * read at once: an allocation may move wasm's heap.
 */
export function hostValues(tensor: tf.TensorInfo): HostArray | null {
  const backend = tf.backend() as unknown;
  switch (tf.getBackend()) {
    case 'cpu':
      return (backend as CpuBackend).data.get(tensor.dataId).values;
    case 'wasm':
      return (backend as WasmBackend).typedArrayFromHeap(tensor);
    default:
      return null;
  }
}

/** Does the current backend have this kernel? Otherwise the operation is composed of stock ones. */
export function hasKernel(name: string): boolean {
  return tf.getKernel(name, tf.getBackend()) != null;
}

/** Runs a registered kernel through the engine, so that autodiff, tf.memory and tf.profile see it. */
export function runHostKernel(name: string, inputs: readonly tf.Tensor[], attributes: Attributes = {}): tf.Tensor[] {
  const named: tf.NamedTensorMap = {};
  inputs.forEach((tensor, i) => {
    named[`input${i}`] = tensor;
  });
  const result: unknown = tf.engine().runKernel(name, named, attributes);
  return Array.isArray(result) ? result : [result as tf.Tensor];
}
