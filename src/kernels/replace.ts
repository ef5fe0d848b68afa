/** Registers a kernel in place of another of the same name. */
import type * as tfjs from '@tensorflow/tfjs';

/** What it takes of the TF.js module. */
export type Registry = Pick<typeof tfjs, 'getKernel' | 'registerKernel' | 'unregisterKernel'>;

/** @returns restores the one before it, or its absence */
export function replaceKernel(tf: Registry, kernel: tfjs.KernelConfig): () => void {
  const { kernelName, backendName } = kernel;
  const before = tf.getKernel(kernelName, backendName) as tfjs.KernelConfig | undefined;
  if (before !== undefined) tf.unregisterKernel(kernelName, backendName); // else TF.js warns on the console
  tf.registerKernel(kernel);
  return () => {
    tf.unregisterKernel(kernelName, backendName);
    if (before !== undefined) tf.registerKernel(before);
  };
}
