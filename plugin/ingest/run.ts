/** What is known of a run that other processes send: plain data. Filled by runs.ts and join.ts. */
import type { Outcome } from '../../src/telemetry/report.ts';
import type { ConnectionInfo, MonitorCounters } from '../../src/telemetry/sample.ts';
import type { Committed, LiveRun } from '../pipeline/liveRun.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { Part } from './part.ts';

export interface Limits {
  /** Runs that go on or linger. */
  runs: number;
  /** Ranks and connections of a run. */
  ranks: number;
  connections: number;
  /** Bytes of parts that wait for others, of all runs. */
  waiting: number;
}
export const LIMITS: Limits = { runs: 64, ranks: 4096, connections: 8192, waiting: 512 * 2 ** 20 };

export interface Rank {
  stage: number;
  replica: number | null;
  lastStep: number;
  misses: number;
  /** As of its last step that was put together. */
  counters: MonitorCounters;
  /** How it said that it ended. */
  ended: Outcome | null;
}

export interface Pending {
  parts: Map<number, Part>;
  since: number;
  /** Resolves when it is known what became of the step (`dropped`: given up before it was put together, to be sent again). */
  committed: Promise<Committed>;
  resolve: (committed: Committed) => void;
}

export interface IngestCounts {
  accepted: number;
  duplicates: number;
  late: number;
  /** Ranks that a step was put together without. */
  stragglers: number;
  /** Steps whose stages sampled different tokens. */
  tokensDiffer: number;
}

export interface IngestRun {
  readonly name: string;
  /** Its current attempt; null: not named. */
  attempt: string | null;
  readonly past: Set<string>;
  live: LiveRun | null;
  stages: number;
  /** Of each stage heard of. */
  readonly listings: Map<number, ConnectionInfo[]>;
  streams: number;
  tokens: number;
  worldSize: number;
  readonly ranks: Map<number, Rank>;
  readonly pending: Map<number, Pending>;
  /** Ranks of the last steps that were put together. */
  readonly done: Map<number, { ranks: Set<number>; committed: Promise<Committed> }>;
  lastDone: number;
  /** When the attempt began and when the last part came, ms. */
  began: number;
  heard: number;
  /** null: it goes on. */
  ended: number | null;
  timer: NodeJS.Timeout | null;
  readonly counts: IngestCounts;
}

export interface Ingest {
  readonly pipeline: Pipeline;
  readonly limits: Limits;
  readonly runs: Map<string, IngestRun>;
  /** Bytes that wait. */
  waiting: number;
  /** Requests that were refused, by the status of the answer. */
  readonly refused: Map<number, number>;
}

/** Connections of the stages that were heard of, in their order. */
export const stagesOf = (run: IngestRun): ConnectionInfo[][] =>
  Array.from({ length: run.stages }, (_, stage) => run.listings.get(stage)).filter((listing) => listing !== undefined);
