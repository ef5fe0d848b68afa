/**
 * accelerate with storage 'float16': project, readStreams and writeStreams on streams in half precision, and everything else that
 * meets them.
 */
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { manifoldConnection } from '../../src/connections/manifold.ts';
import { accelerate, type Storage } from '../../src/kernels/accelerate.ts';
import { project } from '../../src/kernels/operations/project.ts';
import { readStreams } from '../../src/kernels/operations/readStreams.ts';
import { squaredNorm } from '../../src/kernels/operations/squaredNorm.ts';
import { writeStreams } from '../../src/kernels/operations/writeStreams.ts';
import { isPacked, storedBytes } from '../../src/kernels/webgpu/packed.ts';
import type { WebGPUBackend } from '../../src/kernels/webgpu/program.ts';
import { seededRandom } from '../../src/model/random.ts';
import { normal } from '../support/accelerated.ts';
import { has, leastDevice, TIMEOUT_MS } from '../support/backends.ts';
import { compare } from '../support/compare.ts';
import type { ReferenceName, Sizes } from '../support/reference.ts';
import { createTraining } from '../support/smallTraining.ts';

/** The largest relative error of a number that is rounded to a half. */
const HALF = 2 ** -11;
const backend = () => tf.backend() as WebGPUBackend;
const packed = (tensor: tf.Tensor) => isPacked(backend(), tensor);

/** The nearest half, of two the even one. */
function toHalf(value: number): number {
  const size = Math.abs(value);
  if (!(size < 65520)) return Number.isNaN(value) ? value : Math.sign(value) * Number.POSITIVE_INFINITY;
  const unit = 2 ** (Math.max(-14, Math.floor(Math.log2(size))) - 10);
  const [whole, rest] = [Math.floor(size / unit), (size / unit) % 1];
  return Math.sign(value) * unit * (rest > 0.5 || (rest === 0.5 && whole % 2 === 1) ? whole + 1 : whole);
}

/** The same streams as writeStreams stores them: H_res is the identity, H_post zero. */
function store(x: tf.Tensor): tf.Tensor {
  const [n, channels] = x.shape.slice(-2);
  const lead = x.shape.slice(0, -2);
  return tf.tidy(() => writeStreams(tf.broadcastTo(tf.eye(n), [...lead, n, n]), x, tf.zeros([...lead, n]), tf.zeros([...lead, channels])));
}

const rows = (values: number[]) => Array.from({ length: 4 }, (_, i) => values.slice(8 * i, 8 * i + 8));

describe("storage 'float16' is refused", () => {
  test('on another backend, and where another storage is in force or meant', async () => {
    await tf.setBackend('cpu');
    expect(() => accelerate(tf, { storage: 'float16' })).toThrow("accelerate: storage 'float16' is for the webgpu backend only, got cpu");
    expect(() => accelerate(tf, { storage: 'half' as Storage })).toThrow('accelerate: storage must be one of float32, float16, got half');
  });
  test.skipIf(!has('webgpu'))('where another storage is in force', async () => {
    await tf.setBackend('webgpu');
    const undo = accelerate(tf, { storage: 'float16' });
    expect(() => accelerate(tf, { storage: 'float32' })).toThrow('must be the one in force, float16, until that is undone, got float32');
    accelerate(tf)(); // joins
    undo();
    accelerate(tf, { storage: 'float32' })();
  });
});

describe.skipIf(!has('webgpu'))("storage 'float16'", { timeout: TIMEOUT_MS }, () => {
  let undo = () => {};
  afterAll(() => undo());
  beforeAll(async () => {
    await tf.setBackend('webgpu');
    await tf.ready();
    undo = accelerate(tf, { storage: 'float16' });
  });

  test('the nearest half is stored; beyond 65504 Infinity, small numbers as multiples of 2^-24, NaN as it is', async () => {
    const random = seededRandom(5);
    const special = [0, 1, -1, 65504, 65519, 65520, -65520, 1e6, -1e30, 2049, 2051, -2051, 2 ** -24, 2 ** -25, 3 * 2 ** -25, -1e-6];
    const values = Float32Array.from({ length: 512 }, (_, i) => {
      const infinite = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN, 2 ** -14, 2 ** -14 * (1 - 2 ** -13)];
      return [...special, ...infinite][i] ?? (random() - 0.5) * 2 ** Math.floor(44 * random() - 26);
    });
    const x = store(tf.tensor(values, [64, 1, 8]));
    expect(packed(x)).toBe(true);
    // Of zeros the sign does not matter.
    const plain = (numbers: ArrayLike<number>) => Array.from(numbers, (v) => v + 0);
    expect(plain(await x.data())).toEqual(plain(Array.from(values, toHalf)));
  });

  const STORED: [ReferenceName, number[]][] = [
    ['project, mHC', [0]],
    ['project, HC', [0]],
    ['readStreams', [1]],
    ['writeStreams', [1]],
    ['writeStreams', []],
    ['writeStreams', [1, 3]],
  ];
  const SIZES: Sizes[] = [
    { tokens: 37, n: 4, channels: 16 },
    { tokens: 3, n: 1, channels: 8 },
    { tokens: 5, n: 8, channels: 24 },
    { tokens: 6, n: 2, channels: 12 },
  ];
  const against64 = (name: ReferenceName, inputs: number[], sizes: Sizes) => {
    const storeInput = (tensor: tf.Tensor, i: number) => {
      if (!inputs.includes(i)) return tensor;
      const streams = tensor.shape.length === 3 ? tensor : tensor.reshape([sizes.tokens, 1, sizes.channels]);
      const result = store(streams).reshape(tensor.shape);
      expect(packed(result)).toBe(sizes.channels % 8 === 0);
      return result;
    };
    // writeStreams rounds F, and what it writes.
    return compare(name, sizes, 12, { store: storeInput, error: name === 'writeStreams' ? 2 * HALF : 0 });
  };
  describe.each(STORED)('%s, inputs %j in half precision: values and gradients against float64', (name, inputs) => {
    test.each(SIZES)('$tokens tokens, n = $n, C = $channels', (sizes) => against64(name, inputs, sizes));
    test('on a device with the least that the standard asks for', async () => {
      const restore = leastDevice();
      try {
        await against64(name, inputs, { tokens: 70, n: 3, channels: 16 });
      } finally {
        restore();
      }
    });
  });

  test('stock operations, our other kernels and reads see float32 tensors of the stored values', async () => {
    const before = backend().numDataIds();
    const start = normal([6, 4, 8], 1);
    const x = store(start);
    expect([x.dtype, x.shape, packed(x)]).toEqual(['float32', [6, 4, 8], true]);
    const flat = Array.from(await x.data());
    expect(await x.array()).toEqual(Array.from({ length: 6 }, (_, t) => rows(flat.slice(32 * t, 32 * t + 32))));
    const same = tf.tensor(flat, [6, 4, 8]);
    const w = normal([24, 3], 2);
    const all = (t: tf.Tensor) =>
      tf.tidy(() => [
        tf.add(t, 1),
        tf.sum(t, -2),
        tf.concat([t, t], 0),
        tf.slice(t, [1, 1, 3], [2, 2, 3]),
        tf.transpose(t, [2, 0, 1]),
        tf.matMul(t.reshape([24, 8]), t.reshape([24, 8]), true),
        tf.gather(t, tf.tensor1d([5, 0], 'int32')),
        squaredNorm([t]),
        // No longer in eights: unpacked for a kernel that otherwise reads halves.
        project(t.reshape([8, 2, 12]), w, 2, 1e-6).p,
        readStreams(tf.ones([16, 3]), t.reshape([16, 3, 4])).u,
      ]);
    const [ours, stock] = [all(x), all(same)];
    for (const [i, tensor] of ours.entries()) expect(await tensor.array(), `operation ${i}`).toEqual(await stock[i].array());
    const variable = tf.variable(x);
    const doubled = tf.mul(x, 2);
    variable.assign(doubled);
    expect((await variable.data())[7]).toBe(2 * flat[7]);
    const onGPU = x.dataToGPU();
    expect(await onGPU.tensorRef.data()).toEqual(await same.data());
    tf.dispose([start, x, same, w, ours, stock, variable, doubled, onGPU.tensorRef]);
    expect(backend().numDataIds()).toBe(before);
  });

  test('C that is not a multiple of 8 stays float32', async () => {
    const x = normal([3, 2, 12], 1);
    const y = store(x);
    expect([packed(y), storedBytes(backend(), y)]).toEqual([false, 4 * 72]);
    expect(await y.data()).toEqual(await x.data());
  });

  /** Bytes on the device with nothing pending. */
  const held = () => {
    const pending = backend() as unknown as { ensureCommandEncoderReady(): void; endComputePassEncoder(): void; submitQueue(): void };
    pending.ensureCommandEncoderReady();
    pending.endComputePassEncoder();
    pending.submitQueue();
    return (tf.memory() as unknown as { numBytesInGPU: number }).numBytesInGPU;
  };

  test('streams, and what is kept of F, take half the bytes until the backward pass', async () => {
    const [tokens, n, channels, count] = [16, 4, 32, 5];
    const x = normal([tokens, n, channels], 1);
    const width = n * n + 2 * n;
    const parameters = { phi: tf.mul(normal([n * channels, width], 2), 0.1), alpha: tf.ones([3]), b: normal([width], 3) };
    const kept = () => {
      const before = held();
      let bytes = 0;
      const [gradient] = tf.grads((start: tf.Tensor) => {
        let streams = start;
        for (let l = 0; l < count; l++) streams = tf.tidy(() => manifoldConnection(streams, (u) => tf.mul(u, 2), parameters));
        bytes = held() - before;
        return tf.sum(streams) as tf.Scalar;
      })([x]);
      gradient.dispose();
      return bytes;
    };
    kept(); // the inputs come to the device
    const halves = kept();
    undo();
    undo = accelerate(tf);
    const full = kept();
    undo();
    undo = accelerate(tf, { storage: 'float16' });
    const expected = count * tokens * (n + 1) * channels * 2;
    expect(full - halves).toBe(expected);
    const x16 = store(x);
    expect([storedBytes(backend(), x), storedBytes(backend(), x16)]).toEqual([4 * x.size, 2 * x.size]);
  });

  const losses = async (recompute: 'none' | 'connections' | 'blocks', steps = 12) => {
    const training = createTraining('mhc', 2, recompute);
    const result: number[] = [];
    const tensors: number[] = [];
    for (let i = 0; i < steps; i++) {
      const loss = training.step();
      result.push((await loss.data())[0]);
      loss.dispose();
      tensors.push(tf.memory().numTensors);
    }
    expect(tensors.at(-1)).toBe(tensors[3]);
    return result;
  };

  test('training ends near the loss of float32, and is the same to the bit under recompute', async () => {
    const halves = await losses('none');
    expect(await losses('connections')).toEqual(halves);
    expect(await losses('blocks')).toEqual(halves);
    undo();
    undo = accelerate(tf);
    const full = await losses('none');
    undo();
    undo = accelerate(tf, { storage: 'float16' });
    expect(halves).not.toEqual(full);
    expect(full[0] - full[11]).toBeGreaterThan(0.5);
    for (const [i, loss] of halves.entries()) expect(Math.abs(loss - full[i])).toBeLessThan(8 * HALF * full[i]);
  });
});
