/**
 * The sampler of webgpu: one buffer on the device for the whole step, written part by part while the step runs, in the order of
 * its own work, and read once, later. The layout is here; the shaders are in webgpuShaders.ts.
 */
import * as tf from '@tensorflow/tfjs';
import { offTape } from '../../src/kernels/tape.ts';
import type { WebGPUBackend } from '../../src/kernels/webgpu/program.ts';
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
import { copyInto, sampleInto, squaredNormOf, squaresInto } from './webgpuShaders.ts';

/** Where everything stands: the samples of all connections; loss; Σ of the gradients' squares; S for both gradients of each; n² for each. */
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

interface StepBuffer {
  readonly tensor: tf.Tensor1D;
  readonly layout: ReturnType<typeof layoutOf>;
  readonly n: number;
}

function createStepBuffer(backend: WebGPUBackend, shape: SampleShape, n: number): StepBuffer {
  const layout = layoutOf(shape, n);
  const info = backend.makeTensorInfo([layout.size], 'float32');
  return { tensor: tf.keep(tf.engine().makeTensorFromTensorInfo(info, backend)) as tf.Tensor1D, layout, n };
}

/**
 * To be used while the backend is webgpu. What comes before the first connection, which says how large the buffer is, is not captured.
 * @returns null: the backend is another
 */
export function createWebgpuSampler(shape: SampleShape): Sampler | null {
  const backend = currentWebGPU();
  if (backend === null) return null;
  const { uniform } = shape;
  const tokens = uniform.length;
  let buffer: StepBuffer | null = null;
  const captured = new Map<Slot, BufferRange>();
  /** By the number of tokens, [S] each. */
  const positions = new Map<number, tf.Tensor1D>();
  const positionsOf = (count: number) => {
    let tensor = positions.get(count);
    if (tensor === undefined) {
      tensor = offTape(() => tf.keep(tf.tensor1d(tokenPositions(uniform, count), 'int32')));
      positions.set(count, tensor);
    }
    return tensor;
  };
  return {
    captureConnection: (l, tensors, n) => {
      buffer ??= createStepBuffer(backend, shape, n);
      const { tensor, layout } = buffer;
      untracked(backend, () => sampleInto(backend, tensors, n, tokens, positionsOf, tensor, layout.connection(l).at));
    },
    captureStreamGradient: (l, side, gradient, row) => {
      if (buffer === null) return;
      const { tensor, layout } = buffer;
      const k = 2 * l + side;
      untracked(backend, () => squaresInto(backend, gradient, row, tokens, positionsOf, tensor, layout.streamGradient(k).at));
      captured.set(`stream gradient ${k}`, layout.streamGradient(k));
    },
    captureGradients: (gradients) => {
      if (buffer === null) return;
      const { tensor, layout } = buffer;
      // Of no gradient the sum is that of an empty range, 0.
      if (gradients.length > 0) untracked(backend, () => squaredNormOf(backend, gradients, tensor, layout.gradients.at));
      captured.set('gradients', gradients.length > 0 ? layout.gradients : { at: 0, count: 0 });
    },
    captureLogitGradients: (gradients) => {
      if (buffer === null) return;
      const { tensor, layout, n } = buffer;
      const count = n * n;
      const ranges = [...gradients].map(([l, g]) => ({ tensor: g, from: g.size - count, count, to: layout.logitGradient(l).at }));
      untracked(backend, () => copyInto(backend, ranges, tensor));
      for (const l of gradients.keys()) captured.set(`logit gradient ${l}`, layout.logitGradient(l));
    },
    captureLoss: (loss) => {
      if (buffer === null) return;
      const { tensor, layout } = buffer;
      untracked(backend, () => {
        const value = offTape(() => tf.keep(tf.cast(loss, 'float32')));
        copyInto(backend, [{ tensor: value, from: 0, count: 1, to: layout.loss.at }], tensor);
        value.dispose();
      });
      captured.set('loss', layout.loss);
    },
    read: () => buffer!.tensor.data<'float32'>(),
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
      tf.dispose([...(buffer === null ? [] : [buffer.tensor]), ...positions.values()]);
      positions.clear();
    },
  };
}
