/**
 * The operations of the connections on every backend against float64: values, and gradients against central differences of the
 * float64 values.
 */
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { accelerate } from '../../src/kernels/accelerate.ts';
import { has, leastDevice, onComposed, onEveryBackend, TIMEOUT_MS } from '../support/backends.ts';
import { compare, OPERATIONS } from '../support/compare.ts';
import type { ReferenceName, Sizes } from '../support/reference.ts';

const SIZES: Sizes[] = [
  { tokens: 1, n: 4, channels: 8 },
  { tokens: 6, n: 4, channels: 5 },
  { tokens: 3, n: 1, channels: 7 },
  { tokens: 2, n: 2, channels: 33 },
  { tokens: 5, n: 3, channels: 1 },
  { tokens: 4, n: 5, channels: 6 },
  { tokens: 3, n: 6, channels: 12 },
  { tokens: 9, n: 7, channels: 2 },
  { tokens: 5, n: 8, channels: 20 },
  { tokens: 67, n: 4, channels: 64 },
];

/**
 * Without a card, compiling takes WebGPU seconds for each: channels in fours and not, and the largest n. goldenConnections.test.ts
 * has n = 1.
 */
const FOR_WEBGPU = SIZES.filter(({ n, channels }) => n === 2 || n === 8 || channels > 32);

const body = (backend?: string) => {
  describe.each(Object.keys(OPERATIONS) as ReferenceName[])('%s', (name) => {
    test.each(backend === 'webgpu' ? FOR_WEBGPU : SIZES)('$tokens tokens, n = $n, C = $channels', (sizes) => compare(name, sizes));
  });
};

onEveryBackend('operations of the connections', body);
onComposed('operations of the connections', body);
onEveryBackend(
  'operations of the connections, many tokens',
  () => {
    test.each(Object.keys(OPERATIONS) as ReferenceName[])('%s', (name) => compare(name, { tokens: 100_000, n: 4, channels: 4 }, 2));
  },
  ['webgpu'], // below, where few are many
);

describe.skipIf(!has('webgpu'))(
  'operations of the connections, webgpu on a device with the least that the standard asks for',
  { timeout: TIMEOUT_MS },
  () => {
    let undo = () => {};
    afterAll(() => undo());
    beforeAll(async () => {
      await tf.setBackend('webgpu');
      const restoreDevice = leastDevice();
      const restore = accelerate(tf);
      undo = () => {
        restore();
        restoreDevice();
      };
    });
    test.each(Object.keys(OPERATIONS) as ReferenceName[])('%s', (name) => compare(name, { tokens: 70, n: 3, channels: 12 }));
  },
);
