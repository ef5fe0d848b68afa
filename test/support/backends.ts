/**
 * The TF.js backends this machine has, and one test body over all of them. cpu and wasm are always there; an optional one
 * that does not load here is said, and its tests are skipped.
 */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { beforeAll, describe } from 'vitest';
import { type BackendName, loadBackend } from '../../dist/plugin/cli/backend.js';

const OPTIONAL = ['tensorflow'] as const satisfies BackendName[];
const BACKENDS = ['cpu', 'wasm', ...OPTIONAL] as const;

/** Those that do not load here. */
const missing = new Set<BackendName>();
for (const backend of OPTIONAL) if (!(await isHere(backend))) missing.add(backend);
await tf.setBackend('cpu'); // loading one makes it the current one

/** Loads an optional backend; says why where it cannot be. */
export async function isHere(backend: BackendName): Promise<boolean> {
  try {
    await loadBackend(backend);
    return true;
  } catch (error) {
    console.warn(`\nSKIPPED: tests on ${backend}. ${(error as Error).message}\n`);
    return false;
  }
}

export function onEveryBackend(name: string, body: (backend: string) => void): void {
  for (const backend of BACKENDS) {
    describe.skipIf(missing.has(backend))(`${name} on ${backend}`, () => {
      beforeAll(async () => {
        await tf.setBackend(backend);
        await tf.ready();
        if (tf.getBackend() !== backend) throw new Error(`backend ${backend} did not start`);
      });
      body(backend);
    });
  }
}
