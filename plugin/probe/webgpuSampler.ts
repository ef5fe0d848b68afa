/**
 * The sampler of webgpu: one buffer on the device for the whole step, written part by part while the step runs, in the order of
 * its own work, and read once, later. The layout is here; the shaders are in webgpuShaders.ts.
 */
import * as tf from '@tensorflow/tfjs';
import { offTape } from '../../src/kernels/tape.ts';
import { squaredNormInto } from '../../src/kernels/webgpu/squaredNorm.ts';
import { currentWebGPU, onDevice, untracked } from '../../src/kernels/webgpu/untracked.ts';
import { type BufferRange, bufferedStepValues, type Sampler, type SampleShape, type Slot, sampleSize, tokenPositions } from './sampler.ts';
import { copyInto, type SampleTarget, sampleInto, squaresInto } from './webgpuShaders.ts';

/** Where everything stands: the samples of all connections; loss; the gradients' norm; S for both gradients of each; n² for each. */
function layoutOf({ layers, uniform: { length: tokens } }: SampleShape, n: number) {
  const ranges = new Map<Slot, BufferRange>();
  let size = 0;
  const add = (slot: Slot, count: number) => {
    ranges.set(slot, { at: size, count });
    size += count;
  };
  for (let l = 0; l < layers; l++) add(`connection ${l}`, sampleSize(tokens, n));
  add('loss', 1);
  add('gradients', 1);
  for (let k = 0; k < 2 * layers; k++) add(`stream gradient ${k}`, tokens);
  for (let l = 0; l < layers; l++) add(`logit gradient ${l}`, n * n);
  return { ranges, size };
}

interface StepBuffer extends SampleTarget {
  readonly result: tf.Tensor1D;
  readonly ranges: ReadonlyMap<Slot, BufferRange>;
  readonly n: number;
}

/**
 * To be used while the backend is webgpu. What comes before the first connection, which says how large the buffer is, is not
 * captured.
 * @returns null: the backend is another
 */
export function createWebgpuSampler(shape: SampleShape): Sampler | null {
  const backend = currentWebGPU();
  if (backend === null) return null;
  let buffer: StepBuffer | null = null;
  const captured = new Map<Slot, BufferRange>();
  /** By the number of tokens, [S] each. */
  const positions = new Map<number, tf.Tensor1D>();
  const positionsIn = (count: number) => {
    let tensor = positions.get(count);
    if (tensor === undefined) {
      tensor = offTape(() => tf.keep(tf.tensor1d(tokenPositions(shape.uniform, count), 'int32')));
      positions.set(count, tensor);
    }
    return tensor;
  };
  const createBuffer = (n: number): StepBuffer => {
    const { ranges, size } = layoutOf(shape, n);
    const info = backend.makeTensorInfo([size], 'float32');
    const result = tf.keep(tf.engine().makeTensorFromTensorInfo(info, backend)) as tf.Tensor1D;
    return { backend, result, tokens: shape.uniform.length, positions: positionsIn, ranges, n };
  };
  /** Has a range of the buffer written. */
  const capture = (slot: Slot, write: (buffer: StepBuffer, at: number) => void) => {
    if (buffer === null) return;
    const to = buffer;
    const range = to.ranges.get(slot)!;
    untracked(backend, () => write(to, range.at));
    captured.set(slot, range);
  };
  return {
    captureConnection: (l, tensors, n) => {
      buffer ??= createBuffer(n);
      capture(`connection ${l}`, (to, at) => sampleInto(to, tensors, n, at));
    },
    captureStreamGradient: (l, side, gradient, row) =>
      capture(`stream gradient ${2 * l + side}`, (to, at) => squaresInto(to, gradient, row, at)),
    captureGradients: (gradients) => {
      const write = (to: StepBuffer, at: number) => onDevice(backend, gradients, (there) => squaredNormInto(backend, there, to.result, at));
      if (gradients.length > 0) capture('gradients', write);
      else if (buffer !== null) captured.set('gradients', { at: 0, count: 0 }); // the sum of an empty range, 0
    },
    captureLogitGradients: (gradients) => {
      if (buffer === null) return;
      const to = buffer;
      const copies = [...gradients].map(([l, tensor]) => {
        const range = to.ranges.get(`logit gradient ${l}`)!;
        captured.set(`logit gradient ${l}`, range);
        return { tensor, from: tensor.size - range.count, count: range.count, to: range.at };
      });
      untracked(backend, () => copyInto(to, copies));
    },
    captureLoss: (loss) =>
      capture('loss', (to, at) => {
        const tensor = offTape(() => tf.keep(tf.cast(loss, 'float32')));
        copyInto(to, [{ tensor, from: 0, count: 1, to: at }]);
        tensor.dispose();
      }),
    read: () => buffer!.result.data<'float32'>(),
    finish: (values) => bufferedStepValues(shape, buffer!.n, values!, captured),
    dispose: () => {
      tf.dispose([...(buffer === null ? [] : [buffer.result]), ...positions.values()]);
      positions.clear();
    },
  };
}
