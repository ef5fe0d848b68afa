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
import { WASM_OPEN } from './wasm/openManifold.ts';
import { WASM_OPERATIONS } from './wasm/operations.ts';
import type { Replacement } from './wasm/replacement.ts';
import { WASM_REPLACEMENTS } from './wasm/stock.ts';
import { WEBGPU_KERNELS } from './webgpu/kernels.ts';
import { WEBGPU_REPLACEMENTS } from './webgpu/matMul.ts';

type TensorFlow = Registry & Pick<typeof tfjs, 'engine' | 'getBackend'>;

export const STORAGES = ['float32', 'float16'] as const;
export type Storage = (typeof STORAGES)[number];

export interface AccelerateOptions {
  /**
   * How webgpu stores the streams between connections, and F's output until the backward pass; 'float32' unless given.
   * 'float16' halves their bytes (`tf.memory().numBytesInGPU` says so; `numBytes` counts as if nothing were). Each value is rounded to
   * the nearest half: relative error at most 2^-11 from 6.1e-5 to 65504, absolute error at most 2^-25 below, ±Infinity from
   * 65520 on, NaN stays. All arithmetic, coefficients, α, b, Sinkhorn, weights and gradients stay float32. Streams whose C is not
   * a multiple of 8 stay float32, as do those that a model begins with, and residual connections, which have none.
   * All other operations, and reads, see tensors of dtype float32.
   */
  storage?: Storage;
}

/** Kernels with names of our own: nothing was there before. */
const KERNELS: readonly tfjs.KernelConfig[] = [
  ...projectOnHost,
  ...mapsOnHost,
  ...sinkhornOnHost,
  ...streamsOnHost,
  ...WASM_CONNECTIONS,
  ...WASM_OPEN,
  ...CPU_OPERATIONS,
  ...WASM_OPERATIONS,
];

/** What is in force, by backend and name: each puts back what was there. */
const inForce = new Map<string, () => void>();
let users = 0;
/** Of all users. */
let storageInForce: Storage = 'float32';

/**
 * Call it once the backend is ready; again, where another one has come. Where wasm has no SIMD, or its memory is shared by
 * threads (a browser under cross-origin isolation), the wasm kernels stay the stock ones.
 * @returns takes all of it out again, when as many have been called as accelerate was
 * @throws where the storage is not one of STORAGES, is 'float16' on another backend than webgpu, or is another than the one in force
 */
export function accelerate(tf: TensorFlow, { storage }: AccelerateOptions = {}): () => void {
  storageInForce = checkedStorage(tf, storage);
  users++;
  const wasm: object | undefined = tf.engine().registry['wasm'];
  const usable = wasm !== undefined && canLoad(wasm);
  for (const kernel of [...KERNELS, ...WEBGPU_KERNELS[storageInForce]]) if (kernel.backendName !== 'wasm' || usable) place(tf, kernel);
  if (usable) for (const replacement of WASM_REPLACEMENTS) place(tf, replacing(tf, 'wasm', replacement));
  // Its kernels come with its package, which is optional.
  if (tf.getKernel('BatchMatMul', 'webgpu') != null) {
    for (const replacement of WEBGPU_REPLACEMENTS) place(tf, replacing(tf, 'webgpu', replacement));
  }
  let done = false;
  return () => {
    if (done) return;
    done = true;
    if (--users > 0) return;
    for (const restore of inForce.values()) restore();
    inForce.clear();
  };
}

function checkedStorage(tf: TensorFlow, storage: Storage | undefined): Storage {
  if (storage === undefined) return users > 0 ? storageInForce : 'float32';
  if (!STORAGES.includes(storage)) throw new Error(`accelerate: storage must be one of ${STORAGES.join(', ')}, got ${String(storage)}`);
  if (storage === 'float16' && tf.getBackend() !== 'webgpu') {
    throw new Error(`accelerate: storage 'float16' is for the webgpu backend only, got ${tf.getBackend()}`);
  }
  if (users > 0 && storage !== storageInForce) {
    throw new Error(`accelerate: storage must be the one in force, ${storageInForce}, until that is undone, got ${storage}`);
  }
  return storage;
}

/** What is in force already stays. */
function place(tf: TensorFlow, kernel: tfjs.KernelConfig): void {
  const key = `${kernel.backendName} ${kernel.kernelName}`;
  if (!inForce.has(key)) inForce.set(key, replaceKernel(tf, kernel));
}

/** Keeps the stock kernel's setupFunc and disposeFunc: it has to be made ready where ours calls it. */
function replacing(tf: TensorFlow, backendName: string, { kernelName, kernelFunc }: Replacement): tfjs.KernelConfig {
  const before = tf.getKernel(kernelName, backendName) as tfjs.KernelConfig | undefined;
  const stock: tfjs.KernelFunc = before?.kernelFunc ?? missing(kernelName, backendName);
  return { ...before, kernelName, backendName, kernelFunc: (params) => kernelFunc(params, stock) };
}

function missing(kernelName: string, backendName: string): tfjs.KernelFunc {
  return () => {
    throw new Error(`kernel ${kernelName}: the ${backendName} backend has none of its own for these inputs`);
  };
}
