/** A kernel of plain TypeScript on the cpu backend's typed arrays. Registers nothing: accelerate does. */
import * as tf from '@tensorflow/tfjs';

export type CpuArray = Float32Array | Int32Array;

/** What we use of the cpu backend beyond the public KernelBackend. */
interface CpuBackend {
  data: { get(dataId: object): { values: CpuArray } };
  makeTensorInfo(shape: number[], dtype: 'float32', values: Float32Array): tf.TensorInfo;
}

/**
 * @param shapes of the outputs (all float32), from the shapes of the inputs by their names
 * @param compute fills the outputs, which are zeros at the start
 */
export function cpuKernel<Name extends string, Attributes = object>(
  kernelName: string,
  shapes: (inputs: Record<Name, number[]>, attributes: Attributes) => number[][],
  compute: (inputs: Record<Name, CpuArray>, outputs: Float32Array[], shapes: Record<Name, number[]>, attributes: Attributes) => void,
): tf.KernelConfig {
  return {
    kernelName,
    backendName: 'cpu',
    kernelFunc: ({ inputs, attrs, backend }) => {
      const cpu = backend as CpuBackend;
      const entries = Object.entries(inputs) as [Name, tf.TensorInfo][];
      const inputShapes = Object.fromEntries(entries.map(([name, t]) => [name, t.shape])) as Record<Name, number[]>;
      const values = Object.fromEntries(entries.map(([name, t]) => [name, cpu.data.get(t.dataId).values])) as Record<Name, CpuArray>;
      const outputShapes = shapes(inputShapes, attrs as Attributes);
      const outputs = outputShapes.map((shape) => new Float32Array(tf.util.sizeFromShape(shape)));
      compute(values, outputs, inputShapes, attrs as Attributes);
      return outputs.map((output, i) => cpu.makeTensorInfo(outputShapes[i], 'float32', output));
    },
  };
}
