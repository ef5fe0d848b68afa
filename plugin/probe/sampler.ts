/**
 * What the probe captures of a watched step: one interface, with an implementation for each way to reach a tensor's values
 * (hostSampler.ts: in memory; composedSampler.ts: by operations; webgpuSampler.ts: by shaders); and how the values become those of a
 * StepSample. Nothing here is differentiated.
 *
 * Axes: L connections, S sampled tokens, n streams, C channels.
 */
import type * as tf from '@tensorflow/tfjs';
import type { StepSample } from '../../src/telemetry/sample.ts';

/** The part of a StepSample that is read from tensors. */
export type StepValues = Pick<
  StepSample,
  'mappings' | 'logits' | 'grams' | 'inputSquares' | 'gradientGains' | 'logitGradients' | 'loss' | 'gradientNorm'
>;

export interface ConnectionTensors {
  /** H_res, `[..., n, n]`, or one matrix for all tokens; null: the identity. */
  mapping: tf.Tensor | null;
  /** `[..., n, n]` */
  logits: tf.Tensor | null;
  /** The streams, `[..., n, C]`; null: not observed. */
  input: tf.Tensor | null;
  output: tf.Tensor | null;
}

/** What is captured replaces what was captured of the same thing before. The tensors are looked at, never disposed. */
export interface Sampler {
  /** @param slot where the run goes. @param n the same for all */
  captureConnection(slot: number, tensors: ConnectionTensors, n: number): void;
  /**
   * Σ over the sampled tokens of the squares of the gradient on a connection's streams.
   * @param side 0: on its input, 1: on its output. @param row values per token
   */
  captureStreamGradient(slot: number, side: 0 | 1, gradient: tf.Tensor, row: number): void;
  /** Σ of the squares of all gradients of the step. */
  captureGradients(gradients: readonly tf.Tensor[]): void;
  /** The gradients of the connections' logit biases: the last n² values of each count. @param gradients by slot */
  captureLogitGradients(gradients: ReadonlyMap<number, tf.Tensor>): void;
  /** @param loss a scalar */
  captureLoss(loss: tf.Tensor): void;
  /** Reads once what was captured on the device; null: there is nothing to be read. A promise is not awaited within the step. */
  read(): Float32Array | null | Promise<Float32Array>;
  /**
   * @param values what `read` gave
   * @param order slots from input to output; null: the connection did not run, which makes it the identity
   * @param n streams
   */
  finish(values: Float32Array | null, order: SlotOrder, n: number): StepValues;
  /** Frees what it holds. May be called again. */
  dispose(): void;
}

/** A watched step, as its sampler knows it from the start. */
export interface SampleShape {
  /** Slots from input to output, as they are so far; more may come while the step runs. */
  order: readonly number[];
  /** n; null: the first connection will tell. */
  streams: number | null;
  /** [S], each in [0, 1): the same for all connections, so that they are seen at the same tokens. */
  uniform: Float64Array;
}

/** [L] */
export type SlotOrder = readonly (number | null)[];

/** The position of a sampled token in a tensor of `count` tokens. @param u in [0, 1) */
export const tokenPosition = (u: number, count: number): number => Math.floor(u * count);

/** The positions of all of them, [S]. @param uniform [S], each in [0, 1) */
export const tokenPositions = (uniform: Float64Array, count: number): Int32Array =>
  Int32Array.from(uniform, (u) => tokenPosition(u, count));

/** Where a connection's part of a sample goes; NaN fills what is not there. */
export interface ConnectionSample {
  /** [S, n, n] */
  mapping: Float32Array;
  logits: Float32Array;
  gram: Float32Array;
  /** [S] */
  inputSquares: Float32Array;
}

/** What a sampler captures: where it stands, by its name. The number of a stream gradient is 2 slot + side. */
export type Slot = 'loss' | 'gradients' | `connection ${number}` | `stream gradient ${number}` | `logit gradient ${number}`;

/** Some of the values that are read at the end of the step. */
export interface BufferRange {
  at: number;
  count: number;
}

/** The values in a range. */
const valuesIn = (values: Float32Array, { at, count }: BufferRange): Float32Array => values.subarray(at, at + count);

/** Values of one connection in one flat array: the four arrays of ConnectionSample, one after the other. */
export const sampleSize = (tokens: number, n: number): number => tokens * (3 * n * n + 1);

/** Of all connections. */
export interface SampleArrays {
  /** [L, S, n, n] */
  readonly mappings: Float32Array;
  readonly logits: Float32Array;
  readonly grams: Float32Array;
  /** [L, S] */
  readonly inputSquares: Float32Array;
  /** Views of the above, from input to output. */
  readonly parts: readonly ConnectionSample[];
}

/** One buffer for all: it is transferred to the worker as it is. @param layers L. @param tokens S */
export function createSampleArrays(layers: number, tokens: number, n: number): SampleArrays {
  const matrices = tokens * n * n;
  const buffer = new ArrayBuffer(4 * layers * sampleSize(tokens, n));
  const view = (at: number, length: number) => new Float32Array(buffer, 4 * layers * at, layers * length);
  const [mappings, logits, grams] = [0, 1, 2].map((k) => view(k * matrices, matrices));
  const inputSquares = view(3 * matrices, tokens);
  const parts = Array.from({ length: layers }, (_, l) => {
    const part = (all: Float32Array) => valuesIn(all, { at: (l * all.length) / layers, count: all.length / layers });
    return { mapping: part(mappings), logits: part(logits), gram: part(grams), inputSquares: part(inputSquares) };
  });
  return { mappings, logits, grams, inputSquares, parts };
}

/** The parts of `sampleSize` values. */
function partsOf(values: Float32Array, tokens: number, n: number): ConnectionSample {
  const matrices = tokens * n * n;
  const part = (k: number, count: number) => valuesIn(values, { at: k * matrices, count });
  return { mapping: part(0, matrices), logits: part(1, matrices), gram: part(2, matrices), inputSquares: part(3, tokens) };
}

/** Of a mapping that is not there. @param out [S, n, n] */
export function fillIdentity(out: Float32Array, n: number): void {
  for (let k = 0; k < out.length; k++) out[k] = (k % (n * n)) % (n + 1) === 0 ? 1 : 0;
}

/**
 * Fills the arrays of a sample with what was captured; a connection that did not run is the identity, of which nothing else is known.
 * @param partOf what was captured in a slot, which may be where it belongs already
 */
export function fillArrays({ parts }: SampleArrays, order: SlotOrder, n: number, partOf: (slot: number) => ConnectionSample): void {
  order.forEach((slot, l) => {
    const to = parts[l];
    const from = slot === null ? null : partOf(slot);
    if (from === to) return;
    if (from === null) fillIdentity(to.mapping, n);
    else to.mapping.set(from.mapping);
    for (const key of ['logits', 'gram', 'inputSquares'] as const) {
      if (from === null) to[key].fill(Number.NaN);
      else to[key].set(from[key]);
    }
  });
}

/**
 * The values of a StepSample from those that were read from the device.
 * @param ranges of all that was captured, every connection that ran among it (`sampleSize` values)
 */
export function bufferedStepValues(
  { uniform: { length: tokens } }: SampleShape,
  order: SlotOrder,
  n: number,
  values: Float32Array | null,
  ranges: ReadonlyMap<Slot, BufferRange>,
): StepValues {
  const valuesOf = (slot: Slot) => {
    const range = ranges.get(slot);
    return range && values?.subarray(range.at, range.at + range.count);
  };
  const arrays = createSampleArrays(order.length, tokens, n);
  fillArrays(arrays, order, n, (slot) => partsOf(valuesOf(`connection ${slot}`)!, tokens, n));
  return stepValues(arrays, order, n, valuesOf);
}

/**
 * The values of a StepSample.
 * @param valuesOf what was captured in a slot: values whose sum is meant, of a logit gradient the last n²; undefined: nothing
 */
export function stepValues(
  { mappings, logits, grams, inputSquares }: SampleArrays,
  order: SlotOrder,
  n: number,
  valuesOf: (slot: Slot) => ArrayLike<number> | undefined,
): StepValues {
  const total = (slot: Slot): number | null => {
    const values = valuesOf(slot);
    return values === undefined ? null : sum(values);
  };
  const gains = order.map((slot) => {
    if (slot === null) return null;
    const [input, output] = [total(`stream gradient ${2 * slot}`), total(`stream gradient ${2 * slot + 1}`)];
    return input === null && output === null ? null : Math.sqrt((input ?? Number.NaN) / (output ?? Number.NaN));
  });
  const gradients = total('gradients');
  const norms = order.map((slot) => {
    const values = slot === null ? undefined : valuesOf(`logit gradient ${slot}`);
    return values === undefined ? null : normOfLast(values, n * n);
  });
  return {
    mappings,
    logits,
    grams,
    inputSquares,
    gradientGains: floats(gains),
    logitGradients: floats(norms),
    loss: total('loss'),
    gradientNorm: gradients === null ? null : Math.sqrt(gradients),
  };
}

/** NaN where one is not known; null where none is. */
const floats = (values: readonly (number | null)[]): Float32Array | null =>
  values.every((value) => value === null) ? null : Float32Array.from(values, (value) => value ?? Number.NaN);

function sum(values: ArrayLike<number>): number {
  let total = 0;
  for (let k = 0; k < values.length; k++) total += values[k];
  return total;
}

/** ‖the last `size` values‖ */
function normOfLast(values: ArrayLike<number>, size: number): number {
  let squares = 0;
  for (let k = values.length - size; k < values.length; k++) squares += values[k] ** 2;
  return Math.sqrt(squares);
}
