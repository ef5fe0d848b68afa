/**
 * The sampler of tensorflow and of any other backend: composed of stock operations, whose results are kept until the step's end,
 * concatenated and read once, at once.
 */
import * as tf from '@tensorflow/tfjs';
import { squaredNorm } from '../../src/kernels/operations/squaredNorm.ts';
import { offTape } from '../../src/kernels/tape.ts';
import {
  type BufferRange,
  bufferedStepValues,
  type ConnectionTensors,
  type Sampler,
  type SampleShape,
  type Slot,
  tokenPositions,
} from './sampler.ts';

/** To be used on any backend whose reads wait for the device. */
export function createComposedSampler(shape: SampleShape): Sampler {
  const { uniform } = shape;
  const kept = new Map<Slot, tf.Tensor>();
  const keep = (slot: Slot, make: () => tf.Tensor) => {
    kept.get(slot)?.dispose();
    const tensor = offTape(() => tf.keep(make()));
    kept.set(slot, tensor);
  };
  return {
    captureConnection: (slot, tensors, n) => keep(`connection ${slot}`, () => sampleTensor(tensors, n, uniform)),
    captureStreamGradient: (slot, side, gradient, row) => {
      keep(`stream gradient ${2 * slot + side}`, () => tf.tidy(() => tf.sum(tf.square(pickTokens(gradient, [row], uniform)))));
    },
    captureGradients: (gradients) => keep('gradients', () => squaredNorm(gradients)),
    captureLogitGradients: (gradients) => {
      for (const [slot, gradient] of gradients) keep(`logit gradient ${slot}`, () => tf.clone(gradient));
    },
    captureLoss: (loss) => keep('loss', () => tf.tidy(() => tf.cast(loss, 'float32').flatten())),
    read: () => {
      if (kept.size === 0) return null;
      const all = tf.tidy(() => tf.concat([...kept.values()].map((tensor) => tensor.flatten())));
      const values = all.dataSync<'float32'>();
      all.dispose();
      return values;
    },
    finish: (values, order, n) => {
      const ranges = new Map<Slot, BufferRange>();
      let at = 0;
      for (const [slot, { size }] of kept) {
        ranges.set(slot, { at, count: size });
        at += size;
      }
      return bufferedStepValues(shape, order, n, values, ranges);
    },
    dispose: () => {
      tf.dispose([...kept.values()]);
    },
  };
}

/** The sampled tokens of `[..., ...shape]`, `[S, ...shape]`. */
function pickTokens(tensor: tf.Tensor, shape: number[], uniform: Float64Array): tf.Tensor {
  const rows = tensor.reshape([-1, ...shape]);
  return tf.gather(rows, tf.tensor1d(tokenPositions(uniform, rows.shape[0]), 'int32'));
}

/** A connection's part of the sample: `sampleSize` values. */
function sampleTensor({ mapping, logits, input, output }: ConnectionTensors, n: number, uniform: Float64Array): tf.Tensor1D {
  return tf.tidy(() => {
    const tokens = uniform.length;
    const missing = (size: number) => tf.fill([size], Number.NaN);
    const parts: tf.Tensor[] = [
      mapping === null ? tf.tile(tf.eye(n).reshape([1, n, n]), [tokens, 1, 1]) : pickTokens(mapping, [n, n], uniform),
      logits === null ? missing(tokens * n * n) : pickTokens(logits, [n, n], uniform),
    ];
    if (input === null || output === null) parts.push(missing(tokens * n * n), missing(tokens));
    else {
      const channels = output.shape.at(-1) as number;
      const streams = pickTokens(output, [n, channels], uniform);
      parts.push(tf.matMul(streams, streams, false, true), tf.sum(tf.square(pickTokens(input, [n, channels], uniform)), [1, 2]));
    }
    return tf.concat(parts.map((part) => part.flatten()));
  });
}
