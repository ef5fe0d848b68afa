/**
 * The TF.js backends this machine has, and one test body over all of them. cpu and wasm are always there; an optional one
 * that does not load here is named on the console, and its tests are skipped.
 */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { afterAll, beforeAll, describe } from 'vitest';
import { type BackendName, startBackend } from '../../dist/plugin/cli/backend.js';
import { accelerate } from '../../src/kernels/accelerate.ts';
import { hasKernel } from '../../src/kernels/operation.ts';
import { SINKHORN } from '../../src/kernels/operations/sinkhorn.ts';

const OPTIONAL = ['webgpu', 'tensorflow'] as const satisfies BackendName[];
/** Always there; their memory can be looked into. */
export const HOST_BACKENDS = ['cpu', 'wasm'] as const satisfies BackendName[];
const BACKENDS: readonly BackendName[] = [...HOST_BACKENDS, ...OPTIONAL];

/** For compiling the shaders of WebGPU without a card, and float64 over 100,000 tokens, beside much other work: 20 to 80 s were seen. */
export const TIMEOUT_MS = 300_000;

/** Those that do not load here. */
const missing = new Set<BackendName>();
for (const backend of OPTIONAL) if (!(await isHere(backend))) missing.add(backend);

/** Loads an optional backend, and leaves cpu as the current one; says why where it cannot be. */
async function isHere(backend: BackendName): Promise<boolean> {
  try {
    await startBackend(backend);
    return true;
  } catch (error) {
    console.warn(`\nSKIPPED: tests on ${backend}. ${(error as Error).message}\n`);
    return false;
  } finally {
    await tf.setBackend('cpu');
  }
}

/** Does this machine have it? */
export const has = (backend: BackendName): boolean => !missing.has(backend);

/**
 * With the kernels of gainwatch registered. WebGPU reads nothing at once: bodies await `data()`.
 * @param but backends that have a test of their own
 */
export const onEveryBackend = (name: string, body: (backend: string) => void, but: readonly BackendName[] = []) =>
  onEach(
    BACKENDS.filter((backend) => !but.includes(backend)),
    name,
    body,
  );

/** Those whose memory can be looked into. */
export const onHosts = (name: string, body: (backend: string) => void) => onEach(HOST_BACKENDS, name, body);

function onEach(backends: readonly BackendName[], name: string, body: (backend: string) => void): void {
  for (const backend of backends) {
    describe.skipIf(!has(backend))(`${name} on ${backend}`, { timeout: TIMEOUT_MS }, () => {
      let undo = () => {};
      afterAll(() => undo());
      beforeAll(async () => {
        await tf.setBackend(backend);
        await tf.ready();
        if (tf.getBackend() !== backend) throw new Error(`backend ${backend} did not start`);
        undo = accelerate(tf);
      });
      body(backend);
    });
  }
}

/** The same operations composed of stock ones. */
export function onComposed(name: string, body: () => void): void {
  describe(`${name}, composed`, () => {
    beforeAll(async () => {
      await tf.setBackend('cpu');
      if (hasKernel(SINKHORN)) throw new Error('kernels are registered: an accelerate() was not undone');
    });
    body();
  });
}

/**
 * Makes the device of webgpu, the current backend, look like one with the least that the standard asks for: no subgroups, eight
 * bindings, and so few workgroups in a row that they come in two axes.
 * @returns undoes it
 */
export function leastDevice(): () => void {
  const backend = tf.backend() as unknown as { device: object };
  const { device } = backend;
  const limits = { maxStorageBuffersPerShaderStage: 8, maxComputeWorkgroupsPerDimension: 30 };
  backend.device = new Proxy(device, {
    get: (target, key) => {
      if (key === 'limits') return limits;
      if (key === 'features') return new Set();
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return () => {
    backend.device = device;
  };
}
