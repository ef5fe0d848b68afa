/**
 * Where a watched step is gathered on webgpu: one buffer on the device for all of it, written part by part while the step
 * runs, in the order of its own work, and read once. The layout is here; the shaders are in src/kernels/webgpu/sample.ts.
 */
import * as tf from '@tensorflow/tfjs';
import { type ConnectionTensors, sampleSize, tokenPositions } from '../../src/kernels/sampleConnection.ts';
import { offTape } from '../../src/kernels/tape.ts';
import type { WebGPUBackend } from '../../src/kernels/webgpu/program.ts';
import { copyInto, sampleInto, squaredNormOf, squaresInto } from '../../src/kernels/webgpu/sample.ts';
import { currentWebGPU, untracked } from '../../src/kernels/webgpu/untracked.ts';

/** Values of the buffer whose sum is meant. */
export interface Place {
  at: number;
  count: number;
}

export interface StepBuffer {
  readonly tensor: tf.Tensor1D;
  readonly backend: WebGPUBackend;
  readonly layers: number;
  readonly n: number;
  readonly uniform: Float64Array;
  /** By the number of tokens. */
  readonly positions: Map<number, tf.Tensor1D>;
}

/** Values before: the samples of all connections; loss and Σ of the gradients' squares; S for both gradients of each; n² for each. */
function placeOf({ layers, n, uniform: { length: tokens } }: Pick<StepBuffer, 'layers' | 'n' | 'uniform'>) {
  const scalars = layers * sampleSize(tokens, n);
  const gradients = scalars + 2;
  const logits = gradients + 2 * layers * tokens;
  return {
    sample: (l: number) => l * sampleSize(tokens, n),
    loss: { at: scalars, count: 1 },
    gradientSquares: { at: scalars + 1, count: 1 },
    gradient: (l: number, side: 0 | 1): Place => ({ at: gradients + (2 * l + side) * tokens, count: tokens }),
    logits: (l: number): Place => ({ at: logits + l * n * n, count: n * n }),
    size: logits + layers * n * n,
  };
}

/** null on other backends. */
export function createStepBuffer(layers: number, n: number, uniform: Float64Array): StepBuffer | null {
  const backend = currentWebGPU();
  if (backend === null) return null;
  const { size } = placeOf({ layers, n, uniform });
  const info = backend.makeTensorInfo([size], 'float32');
  const tensor = tf.keep(tf.engine().makeTensorFromTensorInfo(info, backend)) as tf.Tensor1D;
  return { tensor, backend, layers, n, uniform, positions: new Map() };
}

const positionsOf = (buffer: StepBuffer) => (count: number) => {
  let tensor = buffer.positions.get(count);
  if (tensor === undefined) {
    tensor = offTape(() => tf.keep(tf.tensor1d(tokenPositions(buffer.uniform, count), 'int32')));
    buffer.positions.set(count, tensor);
  }
  return tensor;
};

export function bufferSample(buffer: StepBuffer, l: number, tensors: ConnectionTensors): void {
  const { backend, n, uniform, tensor } = buffer;
  untracked(backend, () => sampleInto(backend, tensors, n, uniform.length, positionsOf(buffer), tensor, placeOf(buffer).sample(l)));
}

export function bufferGradient(buffer: StepBuffer, l: number, side: 0 | 1, gradient: tf.Tensor, row: number): Place {
  const { backend, uniform, tensor } = buffer;
  const place = placeOf(buffer).gradient(l, side);
  untracked(backend, () => squaresInto(backend, gradient, row, uniform.length, positionsOf(buffer), tensor, place.at));
  return place;
}

export function bufferGradientSquares({ backend, tensor, ...rest }: StepBuffer, gradients: readonly tf.Tensor[]): Place | number {
  if (gradients.length === 0) return 0;
  const place = placeOf(rest).gradientSquares;
  untracked(backend, () => squaredNormOf(backend, gradients, tensor, place.at));
  return place;
}

/** The last n² values of each. @param gradients by the connection's number */
export function bufferLogitGradients(buffer: StepBuffer, gradients: ReadonlyMap<number, tf.Tensor>): Map<number, Place> {
  const { backend, n, tensor } = buffer;
  const places = new Map([...gradients.keys()].map((l) => [l, placeOf(buffer).logits(l)]));
  const ranges = [...gradients].map(([l, g]) => ({ tensor: g, from: g.size - n * n, count: n * n, to: placeOf(buffer).logits(l).at }));
  untracked(backend, () => copyInto(backend, ranges, tensor));
  return places;
}

export function bufferLoss(buffer: StepBuffer, loss: tf.Tensor): Place {
  const { backend, tensor } = buffer;
  const { loss: place } = placeOf(buffer);
  untracked(backend, () => {
    const value = offTape(() => tf.keep(tf.cast(loss, 'float32')));
    copyInto(backend, [{ tensor: value, from: 0, count: 1, to: place.at }], tensor);
    value.dispose();
  });
  return place;
}

export function disposeStepBuffer(buffer: StepBuffer): void {
  tf.dispose([buffer.tensor, ...buffer.positions.values()]);
  buffer.positions.clear();
}
