/** Registers a kernel of ours in place of another of the same name, or where a backend has none. */
import type * as tfjs from '@tensorflow/tfjs';

/** What it takes of the TF.js module. */
export type Registry = Pick<typeof tfjs, 'getKernel' | 'registerKernel' | 'unregisterKernel'>;

/** A kernel of ours in the place of a stock one. */
export interface Replacement {
  /** The name that TF.js calls it by. */
  kernelName: string;
  /** @param stock what was registered before, for what ours leaves to it; throws where nothing was */
  kernelFunc: (params: Parameters<tfjs.KernelFunc>[0], stock: tfjs.KernelFunc) => ReturnType<tfjs.KernelFunc>;
}

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

/** The kernel of a replacement. Keeps the stock one's setupFunc and disposeFunc: it has to be made ready where ours calls it. */
export function replacementKernel(tf: Registry, backendName: string, { kernelName, kernelFunc }: Replacement): tfjs.KernelConfig {
  const before = tf.getKernel(kernelName, backendName) as tfjs.KernelConfig | undefined;
  const missing = () => {
    throw new Error(`kernel ${kernelName}: the ${backendName} backend has none of its own for these inputs`);
  };
  const stock: tfjs.KernelFunc = before?.kernelFunc ?? missing;
  return { ...before, kernelName, backendName, kernelFunc: (params) => kernelFunc(params, stock) };
}
