/**
 * What the probe captures of a watched step: one interface, with an implementation for each way to reach a tensor's values
 * (hostSampler.ts: in memory; composedSampler.ts: by operations; webgpuSampler.ts: by shaders). Nothing here is differentiated.
 *
 * Axes: L connections, S sampled tokens, n streams, C channels.
 */
import type * as tf from '@tensorflow/tfjs';
import type { StepValues } from './sampleValues.ts';

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
  /** @param l the connection's number. @param n the same for all */
  captureConnection(l: number, tensors: ConnectionTensors, n: number): void;
  /**
   * Σ over the sampled tokens of the squares of the gradient on a connection's streams.
   * @param side 0: on its input, 1: on its output. @param row values per token
   */
  captureStreamGradient(l: number, side: 0 | 1, gradient: tf.Tensor, row: number): void;
  /** Σ of the squares of all gradients of the step. */
  captureGradients(gradients: readonly tf.Tensor[]): void;
  /** The gradients of the connections' logit biases: the last n² values of each count. @param gradients by the connection's number */
  captureLogitGradients(gradients: ReadonlyMap<number, tf.Tensor>): void;
  /** @param loss a scalar */
  captureLoss(loss: tf.Tensor): void;
  /** Reads once what was captured on the device; null: there is nothing to be read. A promise is not awaited within the step. */
  read(): Float32Array | null | Promise<Float32Array>;
  /** @param values what `read` gave */
  finish(values: Float32Array | null): StepValues;
  /** Frees what it holds. May be called again. */
  dispose(): void;
}
