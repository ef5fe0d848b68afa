/**
 * What is measured of one watched training step: plain numbers and typed arrays, ready to be posted between threads.
 * Not what we make of it (report.ts), and nothing of how it was captured (plugin/probe).
 *
 * Axes: L connections from input to output, S sampled token positions (the same in every connection), n streams.
 */

export type ConnectionKind = 'residual' | 'hc' | 'mhc' | 'own';
export type Convention = 'paper' | 'deepseek';

export interface ConnectionInfo {
  /** Unique within the run; the `layer` label of the metrics. */
  name: string;
  kind: ConnectionKind;
  /** Order of normalisation of an mHC connection's Sinkhorn; null elsewhere. */
  convention: Convention | null;
}

/** n at most. Our choice: the papers have n = 4; shaders write out n² entries, and n² sums have to fit a workgroup's memory. */
export const MAX_STREAMS = 8;
/** S at most. Our choice: a sample of 24 connections (n = 4) then has 19 MB, and 128 of them may wait. */
export const MAX_TOKENS = 4096;

/** What does not change while a run goes on. */
export interface RunHeader {
  /** 1 to 64 of A–Z a–z 0–9 . _ - , beginning with a letter or digit: a file name and a label. */
  run: string;
  /** n, 1 to 8. */
  streams: number;
  /** S. */
  tokens: number;
  /** L of them, from input to output. */
  connections: ConnectionInfo[];
}

/** Bytes by kind and connection; NaN where not known. `activations` is what the connection itself keeps for the backward pass. */
export const MEMORY_KINDS = ['parameters', 'activations', 'branch_activations', 'gradients', 'optimizer'] as const;
export type MemoryKind = (typeof MEMORY_KINDS)[number];

export interface MemorySample {
  /** [MEMORY_KINDS.length, L], bytes. */
  connections: Float64Array;
  /** Of the whole run, bytes by kind: those of MEMORY_KINDS that are known, and `allocated`, what the backend holds after the step. */
  totals: ReadonlyMap<string, number>;
}

/** What the monitor itself cost and lost so far, since the run was opened. */
export interface MonitorCounters {
  /** Seconds of the training thread spent in gainwatch. */
  overheadSeconds: number;
  samplesDropped: number;
  errors: number;
}

export const NO_COUNTERS: Readonly<MonitorCounters> = Object.freeze({ overheadSeconds: 0, samplesDropped: 0, errors: 0 });

/** What is known of a step without its matrices: a sample and a report have it. */
export interface StepFacts {
  /** The training step's number, from 1, counted by the loop (watched or not). */
  step: number;
  /** When the step ended, milliseconds since 1970. */
  time: number;
  /** How long the step took, seconds. */
  stepSeconds: number;
  /** null: not known (a NaN is a measured NaN). */
  loss: number | null;
  gradientNorm: number | null;
  learningRate: number | null;
  memory: MemorySample | null;
  monitor: MonitorCounters;
}

export interface StepSample extends StepFacts {
  /** H_res, rows are destinations: [L, S, n, n]. */
  mappings: Float32Array;
  /** H̃_res before Sinkhorn, [L, S, n, n]; NaN rows for connections without logits; null: none has. */
  logits: Float32Array | null;
  /** Gram matrices x' x'ᵀ of the output streams, [L, S, n, n]; null: not observed (own connections). */
  grams: Float32Array | null;
  /** ‖x‖² of the input streams, [L, S]; null as above. */
  inputSquares: Float32Array | null;
  /** ‖∂L/∂x‖ / ‖∂L/∂x'‖, [L]; null: not asked for. */
  gradientGains: Float32Array | null;
  /** ‖Σ over all tokens of ∂L/∂H̃_res‖, the norm of the gradient of b_res, [L]; NaN without logits; null: no optimizer is known. */
  logitGradients: Float32Array | null;
}
