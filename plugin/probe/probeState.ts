/**
 * What the probe holds between its hooks, with the watched step in progress (its capture), and the guard that everything of ours in the
 * training goes through.
 */
import type * as tf from '@tensorflow/tfjs';
import { seededRandom } from '../../src/model/random.ts';
import type { ConnectionInfo, MonitorCounters, StepSample } from '../../src/telemetry/sample.ts';
import { createComposedSampler } from './composedSampler.ts';
import type { WatchedConnection } from './findConnections.ts';
import { createHostSampler, isHostBackend } from './hostSampler.ts';
import { beginRun, createPass, type Pass, type Run } from './passes.ts';
import { type Listing, MAX_PLACES } from './places.ts';
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
  /** @param n streams of the run. @param connections of the sample: more than before where one has run again */
  deliver: (sample: StepSample, n: number, connections: readonly ConnectionInfo[]) => void;
  /** Called at every fault: the step's sample is given up. */
  onFault: (reason: string) => void;
  /** Gets what the user should know, and may get it again. */
  onNotice: (line: string) => void;
}

/** A watched step in progress: its sampler, and what was seen so far. */
export interface Capture {
  readonly step: number;
  readonly sampler: Sampler;
  /** n; null until the first connection was seen. */
  n: number | null;
  readonly pass: Pass;
  /** By the connection's number: its runs, oldest first, as far as they were not run again in the backward pass. */
  readonly reruns: Run[][];
  learningRate: number | null;
}

export interface ProbeState {
  readonly options: ProbeOptions;
  readonly counters: MonitorCounters;
  /** Number of the step begun last. */
  step: number;
  readonly listing: Listing;
  /** n; null: nothing has run yet. */
  streams: number | null;
  /** By the connection's number: has it run? */
  readonly ran: boolean[];
  /** Steps that were looked at to their end. */
  seenSteps: number;
  /** The newest of them, in a row, in which nothing ran. */
  idleSteps: number;
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
  /** By slot: shape of the input when it was counted. */
  readonly shapes: string[];
  /** Buffers counted in this step. */
  known: Set<object>;
  weights: Set<object>;
  /** Bytes by slot. */
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

/** A watched step of which nothing was seen. Its number seeds the sampled token positions. */
export function createCapture({ step, listing, streams, options: { connections, tokens } }: ProbeState): Capture {
  const uniform = Float64Array.from({ length: tokens }, seededRandom(step));
  const shape = { order: [...listing.order], streams: connections.length === 0 ? 1 : streams, uniform };
  return {
    step,
    sampler: isHostBackend() ? createHostSampler(shape) : (createWebgpuSampler(shape) ?? createComposedSampler(shape)),
    n: null,
    pass: createPass(),
    reruns: connections.map(() => []),
    learningRate: null,
  };
}

/**
 * A connection begins to run.
 * @param l its number
 * @param streams what it reads
 * @returns null: it is not looked at
 */
export function beginConnection(probe: ProbeState, l: number, streams: readonly tf.Tensor[]): Run | null {
  const { capture, listing, options } = probe;
  if (capture === null) return null;
  const run = beginRun(capture.pass, listing, l, streams, options.connections.length);
  if (run === null) return null;
  probe.ran[l] = true;
  capture.reruns[l].push(run);
  if (run.slot === null) {
    const most = `${MAX_PLACES} × the ${options.connections.length} connections`;
    options.onNotice(`connections run more often in a pass than is looked at: what comes after ${most} is left out of the composite gain`);
  }
  return run;
}

/**
 * Takes a run into the sample.
 * @throws Error if the connection has another n than the ones before
 */
export function captureConnection(probe: ProbeState, { slot }: Run, tensors: ConnectionTensors, n: number): void {
  const { capture } = probe;
  if (capture === null || slot === null) return;
  const before = capture.n ?? probe.streams;
  if (before !== null && before !== n) {
    throw new Error(`a run has one n: a connection with ${n} streams beside others with ${before}; watch them as two runs`);
  }
  capture.n = n;
  capture.sampler.captureConnection(slot, tensors, n);
}
