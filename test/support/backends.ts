/** The TF.js backends this machine has, and one test body over all of them. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { beforeAll, describe } from 'vitest';

export const BACKENDS = ['cpu', 'wasm'] as const;

export function onEveryBackend(name: string, body: (backend: string) => void): void {
  describe.each(BACKENDS)(`${name} on %s`, (backend) => {
    beforeAll(async () => {
      await tf.setBackend(backend);
      await tf.ready();
      if (tf.getBackend() !== backend) throw new Error(`backend ${backend} did not start`);
    });
    body(backend);
  });
}
