/** One rank's part of a step, and what both forms of it (matrices, measures) have of its metadata. */
import type { StepReport } from '../../src/telemetry/report.ts';
import { type ConnectionInfo, MEMORY_KINDS, type MemorySample, type StepSample } from '../../src/telemetry/sample.ts';
import type { Scalars } from './scalars.ts';
import type { Listing, Place, SentNumber, StepMetadata } from './schema.ts';

/** Where a rank stands, with the defaults of a run that has one. */
export interface RankPlace {
  /** null: not said, so that a step back begins a new one. */
  attempt: string | null;
  rank: number;
  worldSize: number;
  stage: number;
  stages: number;
  /** null: by the order of the ranks. */
  replica: number | null;
}

/** One rank's part of one step: of its own connections only. */
export interface Part extends RankPlace {
  connections: ConnectionInfo[];
  streams: number;
  step: number;
  /** Bytes it holds, about. */
  size: number;
  content: Matrices | Measured;
}
/** `tokens` S sampled tokens; `positions`: which, null where not said. */
export interface Matrices {
  sample: StepSample;
  tokens: number;
  positions: readonly number[] | null;
}
export interface Measured {
  report: StepReport;
}

export const toNumber = (value: SentNumber): number => Number(typeof value === 'string' ? value.replace(/Inf$/, 'Infinity') : value);
export const numberOf = (value: SentNumber | undefined): number | null => (value === undefined ? null : toNumber(value));

export function placeOf({ attempt, rank, world_size, stage, stages, replica }: Place): RankPlace {
  return {
    attempt: attempt ?? null,
    rank: rank ?? 0,
    worldSize: world_size ?? (rank ?? 0) + 1,
    stage: stage ?? 0,
    stages: stages ?? 1,
    replica: replica ?? null,
  };
}

export const connectionsOf = ({ order, kinds, conventions }: Listing): ConnectionInfo[] =>
  order.map((name, l) => ({ name, kind: kinds?.[l] ?? 'hc', convention: conventions?.[l] ?? null }));

/** @param now for a step that does not say when it was, ms since 1970 */
export function sentScalars(step: StepMetadata, now: number): Scalars {
  return {
    step: step.step,
    time: step.time ?? now,
    stepSeconds: numberOf(step.step_seconds) ?? Number.NaN,
    loss: numberOf(step.loss),
    gradientNorm: numberOf(step.gradient_norm),
    learningRate: numberOf(step.learning_rate),
    monitor: {
      overheadSeconds: step.overhead_seconds ?? 0,
      samplesDropped: step.samples_dropped ?? 0,
      errors: step.errors ?? 0,
    },
  };
}

export function memoryOf({ memory }: StepMetadata, perConnection: Float32Array | null, layers: number): MemorySample | null {
  if (memory === undefined && perConnection === null) return null;
  const connections = new Float64Array(MEMORY_KINDS.length * layers).fill(Number.NaN);
  if (perConnection !== null) connections.set(perConnection);
  return { connections, totals: memory ?? {} };
}
