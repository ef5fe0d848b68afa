/** A watched step in progress: its sampler, and what was seen so far. Reads no tensor. */
import * as tf from '@tensorflow/tfjs';
import { seededRandom } from '../../src/model/random.ts';
import { createComposedSampler } from './composedSampler.ts';
import { createHostSampler, isHostBackend } from './hostSampler.ts';
import type { ConnectionTensors, Sampler } from './sampler.ts';
import { createWebgpuSampler } from './webgpuSampler.ts';

export interface Capture {
  readonly step: number;
  readonly sampler: Sampler;
  /** n; null until the first connection was seen. */
  n: number | null;
  /** By the connection's number. */
  readonly seen: boolean[];
  /** Seen by a pass that will be differentiated: a later one without does not replace it. */
  readonly differentiated: boolean[];
  learningRate: number | null;
}

/** @param step seeds the sampled token positions. @param layers L. @param tokens S */
export function createCapture(step: number, layers: number, tokens: number): Capture {
  const shape = { layers, uniform: Float64Array.from({ length: tokens }, seededRandom(step)) };
  return {
    step,
    sampler: isHostBackend() ? createHostSampler(shape) : (createWebgpuSampler(shape) ?? createComposedSampler(shape)),
    n: null,
    seen: new Array<boolean>(layers).fill(false),
    differentiated: new Array<boolean>(layers).fill(false),
    learningRate: null,
  };
}

/**
 * Takes a connection into the sample. The last pass wins, a differentiated one before one that is not.
 * @throws Error if the connection has another n than the ones before
 */
export function captureConnection(capture: Capture, l: number, tensors: ConnectionTensors, n: number): void {
  const differentiated = tf.engine().state.gradientDepth > 0;
  if (capture.differentiated[l] && !differentiated) return;
  if (capture.n !== null && capture.n !== n) {
    throw new Error(`a run has one n: a connection with ${n} streams beside others with ${capture.n}; watch them as two runs`);
  }
  capture.n = n;
  capture.sampler.captureConnection(l, tensors, n);
  capture.seen[l] = true;
  capture.differentiated[l] = differentiated;
}
