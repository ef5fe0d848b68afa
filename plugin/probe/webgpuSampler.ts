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

/** Where everything stands: loss; the gradients' norm; of each slot its sample, S for both gradients of its streams, n² of its logits. */
function layoutOf(slots: number, tokens: number, n: number) {
  const ranges = new Map<Slot, BufferRange>();
  let size = 0;
  const add = (slot: Slot, count: number) => {
    ranges.set(slot, { at: size, count });
    size += count;
  };
  add('loss', 1);
  add('gradients', 1);
  for (let slot = 0; slot < slots; slot++) {
    add(`connection ${slot}`, sampleSize(tokens, n));
    for (const side of [0, 1]) add(`stream gradient ${2 * slot + side}`, tokens);
    add(`logit gradient ${slot}`, n * n);
  }
  return { ranges, size };
}

interface StepBuffer extends SampleTarget {
  readonly result: tf.Tensor1D;
  readonly ranges: ReadonlyMap<Slot, BufferRange>;
  readonly slots: number;
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
  const tokens = shape.uniform.length;
  const createBuffer = (slots: number, n: number): StepBuffer => {
    const { ranges, size } = layoutOf(slots, tokens, n);
    const info = backend.makeTensorInfo([size], 'float32');
    const result = tf.keep(tf.engine().makeTensorFromTensorInfo(info, backend)) as tf.Tensor1D;
    return { backend, result, tokens, positions: positionsIn, ranges, slots, n };
  };
  /** For so many slots at least; null: n is not known yet. */
  const bufferFor = (slots = 0, n = shape.streams): StepBuffer | null => {
    if (buffer === null) {
      if (n !== null) buffer = createBuffer(Math.max(slots, shape.order.length), n);
    } else if (slots > buffer.slots) {
      // What is there comes first in the larger one too.
      const { result: from } = buffer;
      const to = createBuffer(2 * slots, buffer.n);
      untracked(backend, () => copyInto(to, [{ tensor: from, from: 0, count: from.size, to: 0 }]));
      from.dispose();
      buffer = to;
    }
    return buffer;
  };
  /** Has a range of the buffer written. */
  const capture = (slot: Slot, write: (buffer: StepBuffer, at: number) => void, to = bufferFor()) => {
    if (to === null) return;
    const range = to.ranges.get(slot)!;
    untracked(backend, () => write(to, range.at));
    captured.set(slot, range);
  };
  return {
    captureConnection: (slot, tensors, n) =>
      capture(`connection ${slot}`, (to, at) => sampleInto(to, tensors, n, at), bufferFor(slot + 1, n)),
    captureStreamGradient: (slot, side, gradient, row) =>
      capture(`stream gradient ${2 * slot + side}`, (to, at) => squaresInto(to, gradient, row, at)),
    captureGradients: (gradients) => {
      const write = (to: StepBuffer, at: number) => onDevice(backend, gradients, (there) => squaredNormInto(backend, there, to.result, at));
      if (gradients.length > 0) capture('gradients', write);
      else captured.set('gradients', { at: 0, count: 0 }); // the sum of an empty range, 0
    },
    captureLogitGradients: (gradients) => {
      const to = bufferFor();
      if (to === null) return;
      const copies = [...gradients].map(([slot, tensor]) => {
        const range = to.ranges.get(`logit gradient ${slot}`)!;
        captured.set(`logit gradient ${slot}`, range);
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
    read: () => buffer?.result.data<'float32'>() ?? null,
    finish: (values, order, n) => bufferedStepValues(shape, order, n, values, captured),
    dispose: () => {
      tf.dispose([...(buffer === null ? [] : [buffer.result]), ...positions.values()]);
      positions.clear();
    },
  };
}
