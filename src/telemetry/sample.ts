/**
 * What is measured of one watched training step: plain numbers and typed arrays, ready to be posted between threads.
 * Not what we make of it (report.ts), and nothing of how it was captured (plugin/probe).
 *
 * Axes: L connections from input to output, S sampled token positions (the same in every connection), n streams.
 */

/** `identity`: H_res = I by construction. `orthogonal`, `signed`: entries of both signs. `own`: none of these, or not known. */
export const CONNECTION_KINDS = ['residual', 'hc', 'mhc', 'identity', 'orthogonal', 'signed', 'own'] as const;
export type ConnectionKind = (typeof CONNECTION_KINDS)[number];
export type Convention = 'paper' | 'deepseek';
/**
 * What is exact of H_res as it is applied, or what bounds it. `doubly`: no entry below 0, rows and columns sum to 1 (one of them to
 * rounding);
 * `rows`, `columns`: only these; `spectral`: its largest singular value is at most 1; `none`: free.
 */
export const BOUNDS = ['doubly', 'rows', 'columns', 'spectral', 'none'] as const;
export type Bound = (typeof BOUNDS)[number];

export interface ConnectionInfo {
  /** Unique within the run; the `layer` label of the metrics. */
  name: string;
  kind: ConnectionKind;
  /** Order of normalisation of an mHC connection's Sinkhorn; null elsewhere. */
  convention: Convention | null;
  /** As somebody found it; null or not given: as its kind has it (`boundOf`). */
  bounded?: Bound | null;
}

const BOUNDS_OF_KINDS: Partial<Record<ConnectionKind, Bound>> = {
  residual: 'doubly',
  mhc: 'doubly',
  identity: 'doubly',
  orthogonal: 'spectral',
};

/** What bounds a connection: what was found, else what its kind promises; null: not known. */
export const boundOf = ({ kind, bounded }: Pick<ConnectionInfo, 'kind' | 'bounded'>): Bound | null =>
  bounded ?? BOUNDS_OF_KINDS[kind] ?? null;

/** n at most. Our choice: the papers have n = 4, published runs up to 16. Our own connections have a lower limit (src/connections). */
export const MAX_STREAMS = 32;
/** S at most. Our choice: a sample of 24 connections (n = 4) then has 19 MB, and 128 of them may wait. */
export const MAX_TOKENS = 4096;

/** What does not change while a run goes on. */
export interface RunHeader {
  /** 1 to 64 of A–Z a–z 0–9 . _ - , beginning with a letter or digit: a file name and a label. */
  run: string;
  /** n, 1 to 32; 1 of a baseline without connections. */
  streams: number;
  /** S. */
  tokens: number;
  /** L of them, from input to output; none of a baseline. While an attempt goes on they may become more (listing.ts). */
  connections: readonly ConnectionInfo[];
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
