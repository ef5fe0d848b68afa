/**
 * The sampler of webgpu: one buffer on the device for the whole step, written part by part while the step runs, in the order of
 * its own work, and read once, later. The layout is here; the shaders are in webgpuShaders.ts.
 */
import * as tf from '@tensorflow/tfjs';
import { offTape } from '../../src/kernels/tape.ts';
import { currentWebGPU, untracked } from '../../src/kernels/webgpu/untracked.ts';
import type { Sampler } from './sampler.ts';
import {
  type BufferRange,
  createSampleArrays,
  type SampleShape,
  type Slot,
  sampleSize,
  splitSample,
  stepValues,
  tokenPositions,
  valuesIn,
} from './sampleValues.ts';
import { copyInto, type SampleTarget, sampleInto, squaredNormAt, squaresInto } from './webgpuShaders.ts';

/** Where everything stands: the samples of all connections; loss; the gradients' norm; S for both gradients of each; n² for each. */
function layoutOf({ layers, uniform: { length: tokens } }: SampleShape, n: number) {
  const scalars = layers * sampleSize(tokens, n);
  const gradients = scalars + 2;
  const logits = gradients + 2 * layers * tokens;
  return {
    connection: (l: number): BufferRange => ({ at: l * sampleSize(tokens, n), count: sampleSize(tokens, n) }),
    loss: { at: scalars, count: 1 },
    gradients: { at: scalars + 1, count: 1 },
    streamGradient: (k: number): BufferRange => ({ at: gradients + k * tokens, count: tokens }),
    logitGradient: (l: number): BufferRange => ({ at: logits + l * n * n, count: n * n }),
    size: logits + layers * n * n,
  };
}

interface StepBuffer extends SampleTarget {
  readonly result: tf.Tensor1D;
  readonly layout: ReturnType<typeof layoutOf>;
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
    const layout = layoutOf(shape, n);
    const info = backend.makeTensorInfo([layout.size], 'float32');
    const result = tf.keep(tf.engine().makeTensorFromTensorInfo(info, backend)) as tf.Tensor1D;
    return { backend, result, tokens: shape.uniform.length, positions: positionsIn, layout, n };
  };
  /** Has a range of the buffer written. */
  const capture = (slot: Slot, rangeIn: (buffer: StepBuffer) => BufferRange, write: (buffer: StepBuffer, at: number) => void) => {
    if (buffer === null) return;
    const to = buffer;
    const range = rangeIn(to);
    untracked(backend, () => write(to, range.at));
    captured.set(slot, range);
  };
  return {
    captureConnection: (l, tensors, n) => {
      buffer ??= createBuffer(n);
      const to = buffer;
      untracked(backend, () => sampleInto(to, tensors, n, to.layout.connection(l).at));
    },
    captureStreamGradient: (l, side, gradient, row) => {
      const k = 2 * l + side;
      capture(
        `stream gradient ${k}`,
        ({ layout }) => layout.streamGradient(k),
        (to, at) => squaresInto(to, gradient, row, at),
      );
    },
    captureGradients: (gradients) => {
      // Of no gradient the sum is that of an empty range, 0.
      const count = Math.min(1, gradients.length);
      capture(
        'gradients',
        ({ layout }) => ({ ...layout.gradients, count }),
        (to, at) => {
          if (count > 0) squaredNormAt(to, gradients, at);
        },
      );
    },
    captureLogitGradients: (gradients) => {
      if (buffer === null) return;
      const { layout, n } = buffer;
      const to = buffer;
      const copies = [...gradients].map(([l, tensor]) => {
        const { at, count } = layout.logitGradient(l);
        captured.set(`logit gradient ${l}`, { at, count });
        return { tensor, from: tensor.size - n * n, count, to: at };
      });
      untracked(backend, () => copyInto(to, copies));
    },
    captureLoss: (loss) => {
      const write = (to: StepBuffer, at: number) => {
        const tensor = offTape(() => tf.keep(tf.cast(loss, 'float32')));
        copyInto(to, [{ tensor, from: 0, count: 1, to: at }]);
        tensor.dispose();
      };
      capture('loss', ({ layout }) => layout.loss, write);
    },
    read: () => buffer!.result.data<'float32'>(),
    finish: (values) => {
      const { layout, n } = buffer!;
      const arrays = createSampleArrays(shape, n);
      arrays.parts.forEach((part, l) => {
        splitSample(valuesIn(values!, layout.connection(l)), part);
      });
      return stepValues(arrays, (slot) => {
        const range = captured.get(slot);
        return range && valuesIn(values!, range);
      });
    },
    dispose: () => {
      tf.dispose([...(buffer === null ? [] : [buffer.result]), ...positions.values()]);
      positions.clear();
    },
  };
}
