/** Registers kernels in place of others of the same name. */
import type * as TensorFlow from '@tensorflow/tfjs';

/** What it takes of the TF.js module. */
export type Engine = Pick<typeof TensorFlow, 'getKernel' | 'registerKernel' | 'unregisterKernel'>;

/** @returns puts back what was there before, or nothing */
export function replaceKernels(tf: Engine, kernels: readonly TensorFlow.KernelConfig[]): () => void {
  const remove = ({ kernelName, backendName }: TensorFlow.KernelConfig) => {
    if (tf.getKernel(kernelName, backendName) != null) tf.unregisterKernel(kernelName, backendName);
  };
  const before = kernels.map(({ kernelName, backendName }) => tf.getKernel(kernelName, backendName)).filter((kernel) => kernel != null);
  for (const kernel of kernels) {
    remove(kernel);
    tf.registerKernel(kernel);
  }
  return () => {
    kernels.forEach(remove);
    before.forEach((kernel) => {
      tf.registerKernel(kernel);
    });
  };
}
