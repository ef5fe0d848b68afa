/**
 * The sampler of cpu and wasm: straight from the tensors' memory, without an operation but the one for the gradients' norm.
 * Nothing is left to be read.
 */
import * as tf from '@tensorflow/tfjs';
import { dotOf, hostValues } from '../../src/kernels/host.ts';
import { squaredNorm } from '../../src/kernels/operations/squaredNorm.ts';
import { offTape } from '../../src/kernels/tape.ts';
import {
  type ConnectionSample,
  type ConnectionTensors,
  createSampleArrays,
  fillArrays,
  fillIdentity,
  type SampleArrays,
  type Sampler,
  type SampleShape,
  type Slot,
  stepValues,
  tokenPosition,
} from './sampler.ts';

/** Are the values of the current backend's tensors in memory that can be touched? */
export const isHostBackend = (): boolean => ['cpu', 'wasm'].includes(tf.getBackend());

/** To be used while the backend is cpu or wasm. */
export function createHostSampler(shape: SampleShape): Sampler {
  const { uniform, order: known } = shape;
  /** Written where they belong, as long as no more connections run than before. */
  let arrays: SampleArrays | null = null;
  const parts = new Map<number, ConnectionSample>();
  const partOf = (slot: number, n: number): ConnectionSample => {
    if (arrays === null) {
      arrays = createSampleArrays(known.length, uniform.length, n);
      for (const [l, one] of known.entries()) parts.set(one, arrays.parts[l]);
    }
    if (!parts.has(slot)) parts.set(slot, createSampleArrays(1, uniform.length, n).parts[0]);
    return parts.get(slot)!;
  };
  const captured = new Map<Slot, ArrayLike<number>>();
  return {
    captureConnection: (slot, tensors, n) => fillSample(tensors, n, uniform, partOf(slot, n)),
    captureStreamGradient: (slot, side, gradient, row) => {
      captured.set(`stream gradient ${2 * slot + side}`, [sumSquares(gradient, row, uniform)]);
    },
    captureGradients: (gradients) => {
      const norm = offTape(() => squaredNorm(gradients));
      captured.set('gradients', valuesOf(norm).slice());
      norm.dispose();
    },
    captureLogitGradients: (gradients) => {
      for (const [slot, gradient] of gradients) captured.set(`logit gradient ${slot}`, valuesOf(gradient).slice());
    },
    captureLoss: (loss) => {
      captured.set('loss', valuesOf(loss).slice());
    },
    read: () => null,
    finish: (_, order, n) => {
      const isKnown = arrays !== null && order.length === known.length;
      const all = isKnown ? arrays! : createSampleArrays(order.length, uniform.length, n);
      fillArrays(all, order, n, (slot) => partOf(slot, n));
      return stepValues(all, order, n, (slot) => captured.get(slot));
    },
    dispose: () => {},
  };
}

/** To be read at once: an allocation may move wasm's heap. */
const valuesOf = (tensor: tf.Tensor) => hostValues(tensor)!;

/** @param uniform [S], each in [0, 1) */
function fillSample({ mapping, logits, input, output }: ConnectionTensors, n: number, uniform: Float64Array, out: ConnectionSample): void {
  if (mapping === null) fillIdentity(out.mapping, n);
  else copyMatrices(valuesOf(mapping), n, uniform, out.mapping);
  if (logits === null) out.logits.fill(Number.NaN);
  else copyMatrices(valuesOf(logits), n, uniform, out.logits);
  if (input === null || output === null) {
    out.gram.fill(Number.NaN);
    out.inputSquares.fill(Number.NaN);
    return;
  }
  const values = valuesOf(output);
  const channels = output.shape.at(-1) as number;
  const row = n * channels;
  const [inner, outer] = [dotOf(valuesOf(input)), dotOf(values)];
  for (let s = 0; s < uniform.length; s++) {
    const at = tokenPosition(uniform[s], values.length / row) * row;
    for (let i = 0; i < n; i++) {
      for (let j = i; j < n; j++) {
        const dot = outer(at + i * channels, at + j * channels, channels);
        out.gram[(s * n + i) * n + j] = dot;
        out.gram[(s * n + j) * n + i] = dot;
      }
    }
    out.inputSquares[s] = inner(at, at, row);
  }
}

/** The matrices of the sampled tokens, `[..., n, n]` → [S, n, n]. */
function copyMatrices(values: ArrayLike<number>, n: number, uniform: Float64Array, out: Float32Array): void {
  const size = n * n;
  const count = values.length / size;
  for (let s = 0; s < uniform.length; s++) {
    const at = tokenPosition(uniform[s], count) * size;
    for (let k = 0; k < size; k++) out[s * size + k] = values[at + k];
  }
}

/** Σ over the sampled tokens of the squares of a row of values. */
function sumSquares(tensor: tf.Tensor, row: number, uniform: Float64Array): number {
  const dot = dotOf(valuesOf(tensor));
  let sum = 0;
  for (const u of uniform) {
    const at = tokenPosition(u, tensor.size / row) * row;
    sum += dot(at, at, row);
  }
  return sum;
}
