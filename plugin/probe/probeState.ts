/**
 * What the probe holds between its hooks, with the watched step in progress (its capture), and the guard that everything of ours in the
 * training goes through.
 */
import * as tf from '@tensorflow/tfjs';
import { seededRandom } from '../../src/model/random.ts';
import type { MonitorCounters, StepSample } from '../../src/telemetry/sample.ts';
import { createComposedSampler } from './composedSampler.ts';
import type { WatchedConnection } from './findConnections.ts';
import { createHostSampler, isHostBackend } from './hostSampler.ts';
import type { ConnectionTensors, Sampler } from './sampler.ts';
import { createWebgpuSampler } from './webgpuSampler.ts';

export interface ProbeOptions {
  /** S. */
  tokens: number;
  firstStep: number;
  /** Watch every k-th step; null: as the backend allows. */
  every: number | null;
  gradientGain: boolean;
  connections: WatchedConnection[];
  /** All weights of the model, for the totals; none for a list of connections. */
  weights: readonly { read(): tf.Tensor }[];
  optimizer: tf.Optimizer | null;
  /** Milliseconds since 1970. */
  now: () => number;
  /** @param n streams of the run, known from the first step on */
  deliver: (sample: StepSample, n: number) => void;
  /** Called at every fault: the step's sample is given up. */
  onFault: (reason: string) => void;
}

/** A watched step in progress: its sampler, and what was seen so far. */
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

export interface ProbeState {
  readonly options: ProbeOptions;
  readonly counters: MonitorCounters;
  /** Number of the step begun last. */
  step: number;
  /** The watched step in progress. */
  capture: Capture | null;
  /** Reads that are not back yet (webgpu). */
  readonly reads: Set<Promise<void>>;
  /** Clock at the begin of the step, ms. */
  began: number;
  readonly memory: MemoryState;
  /** Take the hooks off. */
  readonly unhook: (() => void)[];
}

export interface MemoryState {
  /** Is what the tape keeps counted in this step? It changes with the shapes only: in the first step, and after a change. */
  counting: boolean;
  stale: boolean;
  /** Shape of the input of each connection when it was counted. */
  readonly shapes: string[];
  /** Buffers counted in this step. */
  known: Set<object>;
  weights: Set<object>;
  /** Bytes of [activations, branch_activations] per connection. */
  readonly activations: number[];
  readonly branchActivations: number[];
  /** Bytes of the gradient of each variable, by its name; null until an update was seen. */
  gradients: Map<string, number> | null;
  slots: Map<string, number>;
}

/** Runs what is ours within the training: it throws nothing into it, and its seconds are counted. */
export function guard(probe: ProbeState, act: () => void): void {
  const start = performance.now();
  try {
    act();
  } catch (error) {
    handleFault(probe, error);
  }
  probe.counters.overheadSeconds += (performance.now() - start) / 1000;
}

/** Counts a fault, reports it, and gives up the step's sample. */
export function handleFault(probe: ProbeState, error: unknown): void {
  probe.counters.errors++;
  dropCapture(probe);
  probe.options.onFault(error instanceof Error ? error.message : String(error));
}

/** Gives up the step's sample, if there is one. */
export function dropCapture(probe: ProbeState): void {
  probe.capture?.sampler.dispose();
  probe.capture = null;
}

/** A watched step of which nothing was seen. @param step seeds the sampled token positions. @param layers L. @param tokens S */
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
