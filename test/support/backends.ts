/** The TF.js backends this machine has, and one test body over all of them. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { afterAll, beforeAll, describe } from 'vitest';
import { accelerate } from '../../src/kernels/accelerate.ts';

export const BACKENDS = ['cpu', 'wasm'] as const;

/** With the kernels of gainwatch in place. */
export function onEveryBackend(name: string, body: (backend: string) => void): void {
  describe.each(BACKENDS)(`${name} on %s`, (backend) => {
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
