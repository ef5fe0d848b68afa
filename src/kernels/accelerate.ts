/**
 * Puts the fast kernels in: those of the custom operations, and replacements of stock ones that are slow in training. It only
 * registers; without it every custom operation is composed of stock ones. Each kernel is in a file of its own.
 */
import type * as tfjs from '@tensorflow/tfjs';
import { mapsOnHost } from './cpu/maps.ts';
import { CPU_OPERATIONS } from './cpu/operations.ts';
import { projectOnHost } from './cpu/project.ts';
import { sinkhornOnHost } from './cpu/sinkhorn.ts';
import { streamsOnHost } from './cpu/streams.ts';
import { type Registry, replaceKernel } from './replace.ts';
import { WASM_CONNECTIONS } from './wasm/connections.ts';
import { canLoad } from './wasm/module.ts';
import { WASM_OPERATIONS } from './wasm/operations.ts';
import { WASM_REPLACEMENTS } from './wasm/stock.ts';
import { WEBGPU_KERNELS } from './webgpu/kernels.ts';

type TensorFlow = Registry & Pick<typeof tfjs, 'engine'>;

/** Kernels with names of our own: nothing was there before. */
const KERNELS: readonly tfjs.KernelConfig[] = [
  ...projectOnHost,
  ...mapsOnHost,
  ...sinkhornOnHost,
  ...streamsOnHost,
  ...WASM_CONNECTIONS,
  ...CPU_OPERATIONS,
  ...WASM_OPERATIONS,
  ...WEBGPU_KERNELS,
];

/** One entry for each thing in force: how to put back what was there. */
let undo: (() => void)[] = [];
let users = 0;

/**
 * Call it once the backend is ready. Where the wasm backend's memory is shared by threads (a browser under cross-origin
 * isolation), its kernels stay the stock ones.
 * @returns takes all of it out again, when as many have been called as accelerate was
 */
export function accelerate(tf: TensorFlow): () => void {
  if (users++ === 0) {
    const wasm: object | undefined = tf.engine().registry['wasm'];
    const usable = wasm === undefined || canLoad(wasm);
    for (const kernel of KERNELS) if (kernel.backendName !== 'wasm' || usable) undo.push(replaceKernel(tf, kernel));
    if (usable) {
      for (const { kernelName, kernelFunc } of WASM_REPLACEMENTS) {
        const before = tf.getKernel(kernelName, 'wasm') as tfjs.KernelConfig | undefined;
        const stock: tfjs.KernelFunc = before?.kernelFunc ?? missing(kernelName);
        // setupFunc and disposeFunc stay: the stock kernel still has to be made ready where ours calls it.
        undo.push(replaceKernel(tf, { ...before, kernelName, backendName: 'wasm', kernelFunc: (params) => kernelFunc(params, stock) }));
      }
    }
  }
  let done = false;
  return () => {
    if (done) return;
    done = true;
    if (--users > 0) return;
    for (const restore of undo.reverse()) restore();
    undo = [];
  };
}

function missing(kernelName: string): tfjs.KernelFunc {
  return () => {
    throw new Error(`kernel ${kernelName}: the wasm backend has none of its own for these inputs`);
  };
}
