/**
 * The runs that the ingest knows: found by their name, made of nothing or of their recording, as an earlier process (or this one before it
 * forgot the run) left it. What happens to a run from then on is lifecycle.ts's.
 */
import type { Pipeline } from '../pipeline/pipeline.ts';
import { createAnalyst } from './analyst.ts';
import { type Claimant, ownError } from './claim.ts';
import { INGEST_LIMITS, type Ingest, type IngestLimits, type IngestRun } from './ingestRun.ts';
import { createNames } from './names.ts';

/** Silence after which a run is taken to have ended. Our choice: above the pause of a checkpoint or an evaluation. */
export const MAX_SILENCE_MS = 3_600_000;

/** An ingest that knows of no run. It ends the runs it opened, through `pipeline`. */
export function createIngest(pipeline: Pipeline, limits: IngestLimits = INGEST_LIMITS): Ingest {
  return {
    pipeline,
    analyst: createAnalyst(),
    limits,
    runs: new Map(),
    waitingBytes: 0,
    refused: new Map(),
    reading: new Map(),
    turnedAway: new Map(),
    startedAt: pipeline.monotonic(),
  };
}

/**
 * Acts on a run, which is made where it is not known, of its recording where it has one; one that its first request does not fill stays
 * unknown. @throws what `act` throws; FieldError 409 where a training writes it itself
 */
export function withRun<T>(ingest: Ingest, name: string, claimant: Claimant, act: (run: IngestRun) => T): T {
  const run = ingest.runs.get(name) ?? addRun(ingest, name, claimant);
  try {
    return act(run);
  } finally {
    if (run.ranks.size === 0) ingest.runs.delete(name);
  }
}

function addRun(ingest: Ingest, name: string, claimant: Claimant): IngestRun {
  const { pipeline, runs } = ingest;
  if (pipeline.live.get(name)?.outcome === null) throw ownError(ingest, name, claimant);
  const now = pipeline.monotonic();
  const run: IngestRun = {
    name,
    begun: false,
    ...emptyAttempt({ attempt: null, key: null }),
    isFresh: false,
    pastAttempts: new Set(),
    attemptTimes: [],
    pendingSteps: new Map(),
    waitingBytes: 0,
    stages: 1,
    lookedAt: now,
    lastPartAt: now,
    timer: null,
    counts: { accepted: 0, duplicates: 0, late: 0, stragglers: 0, tokensDiffer: 0 },
  };
  fillFromRecording(ingest, run, claimant);
  runs.set(name, run);
  return run;
}

/** What an earlier process, or this one before it forgot the run, has recorded of it: its attempt goes on. */
function fillFromRecording(ingest: Ingest, run: IngestRun, claimant: Claimant): void {
  const { pipeline, startedAt } = ingest;
  let sent: ReturnType<NonNullable<Pipeline['recorder']>['readSentRun']> = null;
  try {
    sent = pipeline.recorder?.readSentRun(pipeline.directory, run.name) ?? null;
  } catch {
    return; // it cannot be read now: that is said when it is opened
  }
  if (sent === null) return;
  const isOld = pipeline.now() - sent.lastTime > MAX_SILENCE_MS;
  if (sent.isWrittenElsewhere && !isOld) throw ownError(ingest, run.name, claimant);
  const { source, outcome } = sent;
  const isClosed = outcome !== null && outcome !== 'unknown';
  Object.assign(run, {
    begun: true,
    isResumed: true,
    attempt: source === '' ? null : source,
    key: sent.key,
    names: createNames(sent.names),
    lastAssembled: sent.lastStep ?? -1,
    lastPartAt: startedAt,
    endedAt: source === null || isClosed || isOld ? startedAt : null,
    isClosed: source === null || isClosed,
  });
  for (const past of sent.sources) if (past !== source && past !== '') run.pastAttempts.add(past);
}

export const emptyAttempt = ({ attempt, key }: Claimant) => ({
  attempt,
  key,
  live: null,
  listings: new Map(),
  names: createNames(),
  selfTest: [],
  ranks: new Map(),
  assembledSteps: new Map(),
  streams: 0,
  tokens: 0,
  worldSize: 1,
  lastAssembled: -1,
  patience: 0,
  isResumed: false,
  endedAt: null,
  isClosed: false,
});
