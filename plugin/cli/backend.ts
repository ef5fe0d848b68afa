/** Loads a TF.js backend by name and makes it fast; a package that is missing gets an error with the command that installs it. */
import { createRequire } from 'node:module';
import util from 'node:util';
import type { Storage } from '../../src/kernels/accelerate.ts';
import { type AdapterInfo, type Device, type Gpu, requestDevice } from '../../src/kernels/webgpu/device.ts';

export const BACKENDS = ['wasm', 'cpu', 'webgpu', 'tensorflow'] as const;
export type BackendName = (typeof BACKENDS)[number];

/**
 * @param storage of the streams; 'float16' on webgpu only
 * @throws where a package is missing, or the machine has nothing to run it on
 */
export async function loadBackend(name: BackendName, storage: Storage = 'float32'): Promise<void> {
  const tf = await startBackend(name);
  // Not imported above: it needs TF.js, which `serve` runs without.
  const { accelerate } = await import('../../src/kernels/accelerate.ts');
  accelerate(tf, { storage });
}

/** The backend as it is, with no kernel of gainwatch. @throws as loadBackend */
export async function startBackend(name: BackendName): Promise<typeof import('@tensorflow/tfjs')> {
  const tf = (await load('@tensorflow/tfjs', name)) as typeof import('@tensorflow/tfjs');
  if (name === 'wasm') await load('@tensorflow/tfjs-backend-wasm', name);
  if (name === 'webgpu') await loadWebGPU(tf);
  if (name === 'tensorflow') {
    mendUtil(util);
    // The second one only where the first is not there: one that is there and broken has to say why.
    await load('@tensorflow/tfjs-node-gpu', name).catch((error: Error) => {
      if (!(error instanceof NotInstalled)) throw error;
      return load('@tensorflow/tfjs-node', name);
    });
  }
  let ready = false;
  let why = '';
  try {
    ready = await tf.setBackend(name);
    await tf.ready();
  } catch (error) {
    why = `: ${(error as Error).message}`;
  }
  if (!ready || tf.getBackend() !== name) throw new Error(`backend ${name} is installed but could not start on this machine${why}`);
  return tf;
}

/** Dawn in place of the browser's WebGPU, and a device of ours in place of TF.js's. Once: a second device shares no tensor. */
async function loadWebGPU(tf: typeof import('@tensorflow/tfjs')): Promise<void> {
  if (tf.findBackendFactory('webgpu') != null) return;
  const scope = globalThis as { navigator?: { gpu?: Gpu } };
  if (scope.navigator?.gpu === undefined) {
    const { create, globals } = (await load('webgpu', 'webgpu')) as { create: (flags: string[]) => Gpu; globals: object };
    Object.assign(globalThis, globals);
    const gpu = create([]);
    // Node from 21 on has a navigator, without gpu.
    if (scope.navigator === undefined) Object.defineProperty(scope, 'navigator', { value: { gpu }, configurable: true, writable: true });
    else Object.defineProperty(scope.navigator, 'gpu', { value: gpu, configurable: true });
  }
  const { WebGPUBackend } = (await load('@tensorflow/tfjs-backend-webgpu', 'webgpu')) as {
    WebGPUBackend: new (device: Device, info: AdapterInfo) => import('@tensorflow/tfjs').KernelBackend;
  };
  tf.removeBackend('webgpu');
  const { device, info } = await requestDevice(scope.navigator!.gpu!);
  // Else a shader that does not compile, or a buffer that does not fit, would only give zeros.
  device.addEventListener('uncapturederror', ({ error }) => console.error(`WebGPU: ${error.message}`));
  tf.registerBackend('webgpu', () => new WebGPUBackend(device, info), 3);
}

const PACKAGES: Record<BackendName, string> = {
  cpu: '@tensorflow/tfjs',
  wasm: '@tensorflow/tfjs @tensorflow/tfjs-backend-wasm',
  webgpu: '@tensorflow/tfjs @tensorflow/tfjs-backend-webgpu webgpu',
  tensorflow: '@tensorflow/tfjs @tensorflow/tfjs-node-gpu',
};

class NotInstalled extends Error {}

/** tfjs-node 4.22 calls functions that Node 23 took out of its `util` (isNullOrUndefined) or will (isArray). */
export function mendUtil(target: { isNullOrUndefined?: unknown; isArray?: unknown }): void {
  target.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined;
  target.isArray ??= Array.isArray;
}

const { resolve } = createRequire(import.meta.url);

function isInstalled(specifier: string): boolean {
  try {
    resolve(specifier);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND';
  }
}

async function load(specifier: string, backend: BackendName): Promise<unknown> {
  const install = `npm install ${PACKAGES[backend]}`;
  if (!isInstalled(specifier)) {
    throw new NotInstalled(`backend ${backend} needs the package ${specifier}, which is not installed: ${install}`);
  }
  try {
    return await import(specifier);
  } catch (error) {
    throw new Error(`backend ${backend}: ${specifier} could not be loaded (${(error as Error).message}); installed by: ${install}`);
  }
}
