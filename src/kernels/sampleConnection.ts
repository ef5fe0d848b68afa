/**
 * Takes from a connection what a monitor wants of some tokens: H_res, its logits, the Gram matrix of the output streams
 * and the squared norm of the input streams. On cpu and wasm straight from the tensors' memory, without an operation;
 * elsewhere as one composed tensor. Nothing here is differentiated.
 */
import * as tf from '@tensorflow/tfjs';
import { dotOf } from './dot.ts';
import { hostValues } from './host.ts';

export interface ConnectionTensors {
  /** H_res, `[..., n, n]`, or one matrix for all tokens; null: the identity. */
  mapping: tf.Tensor | null;
  /** `[..., n, n]` */
  logits: tf.Tensor | null;
  /** The streams, `[..., n, C]`; null: not observed. */
  input: tf.Tensor | null;
  output: tf.Tensor | null;
}

/** Where a connection's part of a sample goes; NaN fills what is not there. S tokens. */
export interface ConnectionSample {
  /** [S, n, n] */
  mapping: Float32Array;
  logits: Float32Array;
  gram: Float32Array;
  /** [S] */
  inputSquares: Float32Array;
}

/** Values of one connection's composed tensor: the four arrays of ConnectionSample, one after the other. */
export const sampleSize = (tokens: number, n: number): number => tokens * (3 * n * n + 1);

/** Token positions in a tensor of `count` tokens. @param uniform [S], each in [0, 1) */
function position(uniform: Float64Array, s: number, count: number): number {
  return Math.floor(uniform[s] * count);
}

/**
 * Fills `out` on a backend whose memory the host can touch.
 * @param uniform [S], each in [0, 1): the same for all connections, so that they are seen at the same tokens
 * @returns false where the backend's memory cannot be touched: nothing was done
 */
export function sampleOnHost(tensors: ConnectionTensors, n: number, uniform: Float64Array, out: ConnectionSample): boolean {
  const { mapping, logits, input, output } = tensors;
  const tokens = uniform.length;
  if (mapping === null) fillIdentity(out.mapping, n);
  else {
    const values = hostValues(mapping);
    if (values === null) return false;
    copyMatrices(values, n, uniform, out.mapping);
  }
  const logitValues = logits === null ? null : hostValues(logits);
  if (logitValues === null) out.logits.fill(Number.NaN);
  else copyMatrices(logitValues, n, uniform, out.logits);
  const x = input === null ? null : hostValues(input);
  const y = output === null ? null : hostValues(output);
  if (x === null || y === null) {
    out.gram.fill(Number.NaN);
    out.inputSquares.fill(Number.NaN);
    return mapping !== null || input === null;
  }
  const channels = (output as tf.Tensor).shape.at(-1) as number;
  const row = n * channels;
  const count = y.length / row;
  const [inner, outer] = [dotOf(x), dotOf(y)];
  for (let s = 0; s < tokens; s++) {
    const at = position(uniform, s, count) * row;
    for (let i = 0; i < n; i++) {
      for (let j = i; j < n; j++) {
        const dot = outer(at + i * channels, at + j * channels, channels);
        out.gram[(s * n + i) * n + j] = dot;
        out.gram[(s * n + j) * n + i] = dot;
      }
    }
    out.inputSquares[s] = inner(at, at, row);
  }
  return true;
}

function copyMatrices(values: ArrayLike<number>, n: number, uniform: Float64Array, out: Float32Array): void {
  const size = n * n;
  const count = values.length / size;
  for (let s = 0; s < uniform.length; s++) {
    const at = position(uniform, s, count) * size;
    for (let k = 0; k < size; k++) out[s * size + k] = values[at + k];
  }
}

function fillIdentity(out: Float32Array, n: number): void {
  for (let k = 0; k < out.length; k++) out[k] = (k % (n * n)) % (n + 1) === 0 ? 1 : 0;
}

/** All of them. */
export const tokenPositions = (uniform: Float64Array, count: number): Int32Array =>
  Int32Array.from(uniform, (_, s) => position(uniform, s, count));

/** The sampled tokens of `[..., ...shape]`, `[S, ...shape]`. */
function pickTokens(tensor: tf.Tensor, shape: number[], uniform: Float64Array): tf.Tensor {
  const rows = tensor.reshape([-1, ...shape]);
  return tf.gather(rows, tf.tensor1d(tokenPositions(uniform, rows.shape[0]), 'int32'));
}

/** The same composed of operations, on any backend: a flat tensor of `sampleSize` values. */
export function sampleTensor(tensors: ConnectionTensors, n: number, uniform: Float64Array): tf.Tensor1D {
  return tf.tidy(() => {
    const tokens = uniform.length;
    const pick = (tensor: tf.Tensor, shape: number[]) => pickTokens(tensor, shape, uniform);
    const { mapping, logits, input, output } = tensors;
    const missing = (size: number) => tf.fill([size], Number.NaN);
    const parts: tf.Tensor[] = [
      mapping === null ? tf.tile(tf.eye(n).reshape([1, n, n]), [tokens, 1, 1]) : pick(mapping, [n, n]),
      logits === null ? missing(tokens * n * n) : pick(logits, [n, n]),
    ];
    if (input === null || output === null) parts.push(missing(tokens * n * n), missing(tokens));
    else {
      const channels = output.shape.at(-1) as number;
      const streams = pick(output, [n, channels]);
      parts.push(tf.matMul(streams, streams, false, true), tf.sum(tf.square(pick(input, [n, channels])), [1, 2]));
    }
    return tf.concat(parts.map((p) => p.flatten()));
  });
}

/** Takes apart what sampleTensor gave. @param values from `offset` on */
export function splitSample(values: Float32Array, offset: number, out: ConnectionSample): void {
  let at = offset;
  for (const part of [out.mapping, out.logits, out.gram, out.inputSquares]) {
    part.set(values.subarray(at, at + part.length));
    at += part.length;
  }
}

/** Σ over the sampled tokens of the squares of `[..., n, C]` streams; null where the backend's memory cannot be touched. */
export function squaresOnHost(streams: tf.Tensor, row: number, uniform: Float64Array): number | null {
  const values = hostValues(streams);
  if (values === null) return null;
  const dot = dotOf(values);
  let sum = 0;
  for (let s = 0; s < uniform.length; s++) {
    const at = position(uniform, s, values.length / row) * row;
    sum += dot(at, at, row);
  }
  return sum;
}

/** The same as a scalar tensor. */
export function squaresTensor(streams: tf.Tensor, row: number, uniform: Float64Array): tf.Scalar {
  return tf.tidy(() => tf.sum(tf.square(pickTokens(streams, [row], uniform))) as tf.Scalar);
}
