/** Loads a TF.js backend by name, with gainwatch's kernels on it; a package that is missing gets an error with the command that installs it. */

export const BACKENDS = ['wasm', 'cpu', 'webgpu', 'tensorflow'] as const;
export type BackendName = (typeof BACKENDS)[number];

/** @throws where a package is missing, or the machine has nothing to run it on */
export async function loadBackend(name: BackendName): Promise<void> {
  const tf = (await load('@tensorflow/tfjs', name)) as typeof import('@tensorflow/tfjs');
  if (name === 'wasm') await load('@tensorflow/tfjs-backend-wasm', name);
  if (name === 'webgpu') {
    const { create, globals } = (await load('webgpu', name)) as { create: (flags: string[]) => unknown; globals: object };
    Object.assign(globalThis, globals);
    Object.defineProperty(globalThis, 'navigator', { value: { gpu: create([]) }, configurable: true, writable: true });
    await load('@tensorflow/tfjs-backend-webgpu', name);
  }
  if (name === 'tensorflow') {
    await load('@tensorflow/tfjs-node-gpu', name).catch(() => load('@tensorflow/tfjs-node', name));
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
  // Not above: it loads TF.js, which the commands that train nothing do without.
  const { accelerate } = await import('../../src/kernels/accelerate.ts');
  accelerate(tf);
}

const PACKAGES: Record<BackendName, string> = {
  cpu: '@tensorflow/tfjs',
  wasm: '@tensorflow/tfjs @tensorflow/tfjs-backend-wasm',
  webgpu: '@tensorflow/tfjs @tensorflow/tfjs-backend-webgpu webgpu',
  tensorflow: '@tensorflow/tfjs @tensorflow/tfjs-node-gpu',
};

async function load(specifier: string, backend: BackendName): Promise<unknown> {
  try {
    return await import(specifier);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const install = `npm install ${PACKAGES[backend]}`;
    if (code === 'ERR_MODULE_NOT_FOUND' && message.includes(specifier)) {
      throw new Error(`backend ${backend} needs the package ${specifier}, which is not installed: ${install}`);
    }
    throw new Error(`backend ${backend}: ${specifier} could not be loaded (${message}); installed by: ${install}`);
  }
}
