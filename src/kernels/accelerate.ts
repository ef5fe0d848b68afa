/**
 * Puts the fast kernels in: those of our operations, and replacements of stock ones that are slow in training. It only
 * registers; without it every operation is composed of stock ones. Each backend has one list of its kernels.
 */
import type * as tfjs from '@tensorflow/tfjs';
import { CPU_KERNELS } from './cpu/kernels.ts';
import { type Registry, replaceKernel, replacementKernel } from './replace.ts';
import { WASM_KERNELS, WASM_REPLACEMENTS } from './wasm/kernels.ts';
import { canLoad } from './wasm/module.ts';
import { WEBGPU_KERNELS, WEBGPU_REPLACEMENTS } from './webgpu/kernels.ts';

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
  // What is in force already stays.
  const register = (kernels: readonly tfjs.KernelConfig[]) => {
    for (const kernel of kernels) {
      const key = `${kernel.backendName} ${kernel.kernelName}`;
      if (!inForce.has(key)) inForce.set(key, replaceKernel(tf, kernel));
    }
  };
  register(CPU_KERNELS);
  if (wasm !== undefined && canLoad(wasm)) {
    register(WASM_KERNELS);
    register(WASM_REPLACEMENTS.map((replacement) => replacementKernel(tf, 'wasm', replacement)));
  }
  register(WEBGPU_KERNELS[storageInForce]);
  // Its stock kernels come with its package, which is optional.
  if (tf.getKernel('BatchMatMul', 'webgpu') != null) {
    register(WEBGPU_REPLACEMENTS.map((replacement) => replacementKernel(tf, 'webgpu', replacement)));
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
