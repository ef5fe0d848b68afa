/** What is known of a run that other processes send: plain data. Filled by lifecycle.ts (attempts), ranks.ts, join.ts (steps). */
import type { Outcome } from '../../src/telemetry/report.ts';
import type { ConnectionInfo, MonitorCounters } from '../../src/telemetry/sample.ts';
import type { Committed, LiveRun } from '../pipeline/liveRun.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { Part } from '../wire/part.ts';
import type { Analyst } from './analyst.ts';

export interface IngestLimits {
  /** Runs that go on or linger. */
  runs: number;
  /** Ranks and connections of a run. */
  ranks: number;
  connections: number;
  /** Bytes of parts that wait for others, of all runs. */
  waitingBytes: number;
}
/** Our choice: far above what `npm run bench:load` holds (64 ranks of 122 connections), and below what memory holds. */
export const INGEST_LIMITS: IngestLimits = { runs: 64, ranks: 4096, connections: 8192, waitingBytes: 512 * 2 ** 20 };

/** One process that sends the run; its states stand in ranks.ts. */
export interface RankState {
  stage: number;
  replica: number | null;
  lastStep: number;
  /** Steps in a row that were assembled without it. */
  misses: number;
  /** As of its last step that was assembled. */
  counters: MonitorCounters;
  /** The outcome with which it closed; null: it has not. */
  ended: Outcome | null;
}

/** A step that waits for its ranks; the states of a step stand in join.ts. */
export interface PendingStepState {
  /** By rank. */
  parts: Map<number, Part>;
  /** When the first came, ms. */
  since: number;
  /** Resolves when it is known what became of the step (`dropped`: it was not kept). */
  committed: Promise<Committed>;
  resolve: (committed: Committed) => void;
}

/** What remains of a step once it is with the pipeline. */
export interface AssembledStep {
  ranks: ReadonlySet<number>;
  committed: Promise<Committed>;
}

/** Duplicates were taken before; what is late is of a step that was assembled without it, or of an attempt that is over. */
export type PartResult = 'accepted' | 'duplicates' | 'late';

/** Parts that came, by what they were, and what was missing in the steps that were assembled of them. */
export interface IngestCounts extends Record<PartResult, number> {
  /** Ranks that a step was assembled without. */
  stragglers: number;
  /** Steps whose stages sampled different tokens. */
  tokensDiffer: number;
}

export interface IngestRun {
  readonly name: string;
  /** Its current attempt; null: not named. */
  attempt: string | null;
  /** Names of those before. */
  readonly pastAttempts: Set<string>;
  /** null until the connections of all stages are known. */
  live: LiveRun | null;
  stages: number;
  /** Connections by stage, of each that is known. */
  listings: Map<number, ConnectionInfo[]>;
  /** n and S; 0: not known. */
  streams: number;
  tokens: number;
  worldSize: number;
  ranks: Map<number, RankState>;
  /** By step. */
  readonly pendingSteps: Map<number, PendingStepState>;
  /** The last ones, by step. */
  assembledSteps: Map<number, AssembledStep>;
  lastAssembled: number;
  /** When the attempt began and when something last came, ms. */
  startedAt: number;
  lastPartAt: number;
  /** null: it goes on. */
  endedAt: number | null;
  /** Looks again at the steps that wait. */
  timer: NodeJS.Timeout | null;
  readonly counts: IngestCounts;
}

export interface Ingest {
  readonly pipeline: Pipeline;
  readonly analyst: Analyst;
  readonly limits: IngestLimits;
  /** By name. */
  readonly runs: Map<string, IngestRun>;
  /** Of parts that wait for other ranks. */
  waitingBytes: number;
  /** Requests that were refused, by the status of the answer. */
  readonly refused: Map<number, number>;
}

/** Connections of the stages that are known, in their order. */
export const stagesOf = (run: IngestRun): ConnectionInfo[][] =>
  Array.from({ length: run.stages }, (_, stage) => run.listings.get(stage)).filter((listing) => listing !== undefined);
