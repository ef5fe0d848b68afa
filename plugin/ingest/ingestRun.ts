/** What is known of a run that other processes send: plain data. Filled by lifecycle.ts (attempts), ranks.ts, join.ts (steps). */

import type { Listing } from '../../src/telemetry/listing.ts';
import type { Outcome, StepReport } from '../../src/telemetry/report.ts';
import type { MonitorCounters } from '../../src/telemetry/sample.ts';
import type { SelfTestEntry } from '../../src/telemetry/selfTest.ts';
import type { Committed, LiveRun } from '../pipeline/liveRun.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { Part } from '../wire/part.ts';
import type { Analyst } from './analyst.ts';
import type { StageNames } from './names.ts';

export interface IngestLimits {
  /** Runs that go on or linger. */
  runs: number;
  /** Ranks and connections of a run. */
  ranks: number;
  connections: number;
  /** Bytes of parts that wait for others, of all runs; and of one. */
  waitingBytes: number;
  runWaitingBytes: number;
  /** Attempts that a run may begin in a minute. */
  attempts: number;
}
/**
 * Our choice: far above what `npm run bench:load` holds (64 ranks of 122 connections), and below what memory holds. A training that
 * begins anew more often than every few seconds has no use for its charts.
 */
export const INGEST_LIMITS: IngestLimits = {
  runs: 64,
  ranks: 4096,
  connections: 8192,
  waitingBytes: 512 * 2 ** 20,
  runWaitingBytes: 64 * 2 ** 20,
  attempts: 12,
};

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
  /** When the first came: by the run's patience, and by the monotonic clock, ms. */
  since: number;
  addedAt: number;
  /** Its stages as one model, of each pipeline, made beside the loop. */
  analysed: Map<string, StepReport>;
  /** How many parts it had when that was asked for; and are some still to come? */
  analysedParts: number;
  isAnalysing: boolean;
  /** Resolves when it is known what became of the step (`dropped`: it was not kept). */
  committed: Promise<Committed>;
  resolve: (committed: Committed) => void;
}

/** What remains of a step once it is with the pipeline. */
export interface AssembledStep {
  /** Those that it has, each with `markOf` its part where the run's attempt has no name. */
  ranks: ReadonlyMap<number, number>;
  committed: Promise<Committed>;
  /** `LiveRun.losses` when it was committed; null: not yet. */
  losses: number | null;
}

/** Duplicates are stored already, or wait for that; what is late is of a step that was assembled without it, and refused. */
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
  /** Has it an attempt, here or in its recording? */
  begun: boolean;
  /** Its attempt was begun by an earlier process: its ranks come back one after the other. */
  isResumed: boolean;
  /** Its attempt goes on in none that is recorded. */
  isFresh: boolean;
  /** Its current attempt; null: not named. */
  attempt: string | null;
  /** SHA-256 of the key of the training that it belongs to, hex; null: opened without one. */
  key: string | null;
  /** Names of those before. */
  readonly pastAttempts: Set<string>;
  /** When the newest of them began, by the monotonic clock, ms. */
  attemptTimes: number[];
  /** null until the connections of all stages are known. */
  live: LiveRun | null;
  stages: number;
  /** Connections by stage, of each that is known: those that any step has named, by the stage's own names. */
  listings: Map<number, Listing>;
  /** What they are called in the run. */
  names: StageNames;
  /** What its ranks found of their connections, by the stage's own names, until the run begins. */
  selfTest: { stage: number; entry: SelfTestEntry }[];
  /** n and S; 0: not known. */
  streams: number;
  tokens: number;
  worldSize: number;
  ranks: Map<number, RankState>;
  /** By step. */
  readonly pendingSteps: Map<number, PendingStepState>;
  /** Of their parts. */
  waitingBytes: number;
  /** The last ones, by step. */
  assembledSteps: Map<number, AssembledStep>;
  lastAssembled: number;
  /** How long the attempt has waited for ranks while the server kept up, and when that was last looked at, ms. */
  patience: number;
  lookedAt: number;
  /** When something last came, by the monotonic clock, ms. */
  lastPartAt: number;
  /** By the same clock; null: it goes on. */
  endedAt: number | null;
  /** It ended as its ranks closed it, not by silence. */
  isClosed: boolean;
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
  /** Requests that are being read, by the run's name; and when one was last turned away as there was no place for it. */
  readonly reading: Map<string, number>;
  readonly turnedAway: Map<string, number>;
  /** By the monotonic clock, ms. */
  readonly startedAt: number;
}

/** Connections of the stages that are known, in their order. */
export const stagesOf = (run: IngestRun): Listing[] =>
  Array.from({ length: run.stages }, (_, stage) => run.listings.get(stage)).filter((listing) => listing !== undefined);
