/**
 * What is gathered during one watched step, and how it becomes a StepSample: directly on backends whose memory the host
 * can touch, in one buffer of the step on webgpu, else as tensors that are concatenated; the last two are read once.
 */
import * as tf from '@tensorflow/tfjs';
import { hostValues } from '../../src/kernels/host.ts';
import { squaredNorm } from '../../src/kernels/operations/squaredNorm.ts';
import {
  type ConnectionSample,
  type ConnectionTensors,
  sampleOnHost,
  sampleSize,
  sampleTensor,
  squaresOnHost,
  squaresTensor,
} from '../../src/kernels/sampleConnection.ts';
import { offTape } from '../../src/kernels/tape.ts';
import { seededRandom } from '../../src/model/random.ts';
import type { StepSample } from '../../src/telemetry/sample.ts';
import {
  bufferGradient,
  bufferGradientSquares,
  bufferLogitGradients,
  bufferLoss,
  bufferSample,
  createStepBuffer,
  disposeStepBuffer,
  type Place,
  type StepBuffer,
} from './stepBuffer.ts';

/** A number, or where it will be read from. */
export type Later = number | tf.Tensor | Place | null;

export interface Gathering {
  readonly step: number;
  readonly layers: number;
  /** n; null until the first connection was seen. */
  n: number | null;
  /** [S], each in [0, 1): the sampled positions, the same in every connection. */
  readonly uniform: Float64Array;
  /** One per connection, in one buffer, on cpu and wasm. */
  parts: ConnectionSample[];
  arrays: (Pick<StepSample, 'mappings' | 'grams' | 'inputSquares'> & { logits: Float32Array }) | null;
  /** On webgpu, from the first connection on. */
  buffer: StepBuffer | null;
  /** One per connection elsewhere. */
  readonly tensors: (tf.Tensor | null)[];
  readonly seen: boolean[];
  /** Seen by a pass that will be differentiated: a later one without does not replace it. */
  readonly differentiated: boolean[];
  /** Σ of squares of the gradient on the streams: [input, output] of each connection. */
  readonly gradients: [Later, Later][];
  loss: Later;
  gradientSquares: Later;
  /** Of each connection with logits: the gradient of the weight that ends in b_res, n² values. */
  readonly logitGradients: (ArrayLike<number> | tf.Tensor | Place | null)[];
  learningRate: number | null;
}

export function createGathering(step: number, layers: number, tokens: number): Gathering {
  const random = seededRandom(step);
  return {
    step,
    layers,
    n: null,
    uniform: Float64Array.from({ length: tokens }, random),
    parts: [],
    arrays: null,
    buffer: null,
    tensors: new Array<null>(layers).fill(null),
    seen: new Array<boolean>(layers).fill(false),
    differentiated: new Array<boolean>(layers).fill(false),
    gradients: Array.from({ length: layers }, () => [null, null]),
    loss: null,
    gradientSquares: null,
    logitGradients: new Array<null>(layers).fill(null),
    learningRate: null,
  };
}

/** One buffer for all: it is handed over to the worker as it is. */
function allocate(gathering: Gathering, n: number): void {
  const { layers, uniform } = gathering;
  const tokens = uniform.length;
  const matrices = tokens * n * n;
  const buffer = new ArrayBuffer(4 * layers * sampleSize(tokens, n));
  const view = (at: number, length: number) => new Float32Array(buffer, 4 * layers * at, layers * length);
  const arrays = {
    mappings: view(0, matrices),
    logits: view(matrices, matrices),
    grams: view(2 * matrices, matrices),
    inputSquares: view(3 * matrices, tokens),
  };
  gathering.n = n;
  gathering.buffer = createStepBuffer(layers, n, uniform);
  gathering.arrays = arrays;
  gathering.parts = Array.from({ length: layers }, (_, l) => ({
    mapping: arrays.mappings.subarray(l * matrices, (l + 1) * matrices),
    logits: arrays.logits.subarray(l * matrices, (l + 1) * matrices),
    gram: arrays.grams.subarray(l * matrices, (l + 1) * matrices),
    inputSquares: arrays.inputSquares.subarray(l * tokens, (l + 1) * tokens),
  }));
}

/**
 * Takes a connection into the sample. The last pass wins, a differentiated one before one that is not.
 * @throws if the connection has another n than the ones before
 */
export function gather(gathering: Gathering, l: number, tensors: ConnectionTensors, n: number): void {
  const differentiated = tf.engine().state.gradientDepth > 0;
  if (gathering.differentiated[l] && !differentiated) return;
  if (gathering.n !== null && gathering.n !== n) {
    throw new Error(`a run has one n: a connection with ${n} streams beside others with ${gathering.n}; watch them as two runs`);
  }
  if (gathering.n === null) allocate(gathering, n);
  if (gathering.buffer !== null) bufferSample(gathering.buffer, l, tensors);
  else if (!sampleOnHost(tensors, n, gathering.uniform, gathering.parts[l])) {
    gathering.tensors[l]?.dispose();
    gathering.tensors[l] = offTape(() => tf.keep(sampleTensor(tensors, n, gathering.uniform)));
  }
  gathering.seen[l] = true;
  gathering.differentiated[l] = differentiated;
}

/** The squared norm of a gradient on the streams, at the sampled tokens. */
export function gatherGradient(gathering: Gathering, l: number, side: 0 | 1, gradient: tf.Tensor, row: number): void {
  const { buffer, uniform } = gathering;
  disposeLater(gathering.gradients[l][side]);
  gathering.gradients[l][side] =
    buffer !== null
      ? bufferGradient(buffer, l, side, gradient, row)
      : (squaresOnHost(gradient, row, uniform) ?? offTape(() => tf.keep(squaresTensor(gradient, row, uniform))));
}

/** Σ of the squares of all gradients. */
export function gatherGradientSquares(gathering: Gathering, gradients: readonly tf.Tensor[]): void {
  disposeLater(gathering.gradientSquares);
  if (gathering.buffer !== null) gathering.gradientSquares = bufferGradientSquares(gathering.buffer, gradients);
  else {
    const norm = offTape(() => squaredNorm(gradients));
    gathering.gradientSquares = laterOf(norm);
    norm.dispose();
  }
}

/** The gradients of connections' logit biases: the last n² values of each count. @param gradients by the connection's number */
export function gatherLogitGradients(gathering: Gathering, gradients: ReadonlyMap<number, tf.Tensor>): void {
  const { buffer, logitGradients } = gathering;
  const places = buffer === null ? null : bufferLogitGradients(buffer, gradients);
  for (const [l, gradient] of gradients) {
    disposeLater(logitGradients[l]);
    logitGradients[l] = places?.get(l) ?? hostValues(gradient)?.slice() ?? offTape(() => tf.keep(tf.clone(gradient)));
  }
}

/** @param loss a scalar tensor is looked at, not disposed */
export function gatherLoss(gathering: Gathering, loss: tf.Tensor | number): void {
  if (typeof loss === 'number') gathering.loss = loss;
  else gathering.loss = gathering.buffer === null ? laterOf(loss) : bufferLoss(gathering.buffer, loss);
}

/** The value of a scalar where it can be had at once, else a copy of it to be read later. */
function laterOf(scalar: tf.Tensor): Later {
  const values = hostValues(scalar);
  return values === null ? offTape(() => tf.keep(tf.tidy(() => tf.cast(scalar, 'float32').flatten()))) : values[0];
}

function disposeLater(value: Later | ArrayLike<number>): void {
  if (value instanceof tf.Tensor) value.dispose();
}

export function laters(gathering: Gathering): Later[] {
  return [gathering.loss, gathering.gradientSquares, ...gathering.gradients.flat()];
}

/** Tensors that are still to be read, in the order of `settle`. */
function pending(gathering: Gathering): tf.Tensor[] {
  return [...gathering.tensors, ...laters(gathering), ...gathering.logitGradients].filter((value) => value instanceof tf.Tensor);
}

export function disposeGathering(gathering: Gathering): void {
  tf.dispose(pending(gathering));
  gathering.tensors.fill(null);
  if (gathering.buffer !== null) disposeStepBuffer(gathering.buffer);
}

/** All that is still to be read, as one tensor to be read once; null on cpu and wasm. */
export function unread(gathering: Gathering): tf.Tensor1D | null {
  if (gathering.buffer !== null) return gathering.buffer.tensor;
  const list = pending(gathering);
  return list.length === 0 ? null : tf.tidy(() => tf.concat(list.map((t) => t.flatten())) as tf.Tensor1D);
}
