/**
 * The runs of other processes from first to last: attempts, ranks that open and close, silence. No steps here (handlePart.ts).
 *
 *   unknown ──first open or part──► attempt goes on ──all ranks closed, or silence──► ended ──LINGER_MS──► forgotten
 *                                     ▲  │                                              │
 *                                     │  └── another attempt's name, or a step back ────┤
 *                                     └───────────────── the next attempt ◄─────────────┘
 */
import type { Outcome } from '../../src/telemetry/report.ts';
import { FieldError } from '../fieldError.ts';
import { closeRun, forgetRun, type Pipeline } from '../pipeline/pipeline.ts';
import type { RankPosition } from '../wire/part.ts';
import { createAnalyst } from './analyst.ts';
import { INGEST_LIMITS, type Ingest, type IngestLimits, type IngestRun, type RankState } from './ingestRun.ts';
import { assembleStepsUpTo, dropPendingSteps } from './join.ts';
import { checkRank, noteRank, openIfKnown, type RankModel } from './ranks.ts';

/** How long a run that has ended stays to be scraped. Our choice: four scrapes at Prometheus' usual 15 s. */
const LINGER_MS = 60_000;
/** Silence after which a run is taken to have ended. Our choice: above the pause of a checkpoint or an evaluation. */
const MAX_SILENCE_MS = 3_600_000;
/** The same, where some of its ranks have closed: the others of a job end with them. Our choice. */
const MAX_SILENCE_AFTER_CLOSE_MS = 60_000;
/** Names of attempts that are over, so that what is late is known as that. Our choice. */
const MAX_PAST_ATTEMPTS = 1000;

/** An ingest that knows of no run. It ends the runs it opened, through `pipeline`. */
export function createIngest(pipeline: Pipeline, limits: IngestLimits = INGEST_LIMITS): Ingest {
  return { pipeline, analyst: createAnalyst(), limits, runs: new Map(), waitingBytes: 0, refused: new Map() };
}

/** Acts on a run, which is made where it is not known; one that its first request does not fill stays unknown. @throws what `act` throws */
export function withRun<T>(ingest: Ingest, name: string, act: (run: IngestRun) => T): T {
  const run = ingest.runs.get(name) ?? addRun(ingest, name);
  try {
    return act(run);
  } finally {
    if (run.listings.size === 0 && run.pastAttempts.size === 0) ingest.runs.delete(name);
  }
}

/** Is a part of this attempt late? An attempt that ended by silence goes on with its next step; one that its ranks closed does not. */
export function isOver(run: IngestRun, attempt: string | null): boolean {
  if (attempt === null) return run.attempt !== null && run.endedAt === null;
  return attempt === run.attempt ? run.endedAt !== null && isClosed(run) : run.pastAttempts.has(attempt);
}

/**
 * A rank announces its connections, before its first step.
 * @throws FieldError 409 where it contradicts what the run has sent before, 429 where a limit is reached
 */
export function openRank(ingest: Ingest, name: string, position: RankPosition, model: RankModel): IngestRun {
  return withRun(ingest, name, (run) => {
    const { attempt, rank } = position;
    if (attempt !== null && attempt !== run.attempt && run.pastAttempts.has(attempt)) {
      throw new FieldError('attempt', 'must not be one before the current', attempt, 409);
    }
    admitRank(ingest, run, position, model, run.ranks.has(rank)).ended = null;
    return run;
  });
}

/**
 * Notes a rank that sends something, in the attempt that goes on or in a new one. The run begins when all its stages are known.
 * @param isRestart it sends what an attempt without a name cannot go on with
 * @throws FieldError as `checkRank`
 */
export function admitRank(ingest: Ingest, run: IngestRun, position: RankPosition, model: RankModel, isRestart: boolean): RankState {
  const { attempt } = position;
  const isNewAttempt = attempt !== run.attempt || run.endedAt !== null || (attempt === null && isRestart);
  checkRank(ingest, isNewAttempt ? null : run, position, model);
  if (isNewAttempt) beginAttempt(ingest, run, attempt);
  const rank = noteRank(run, position, model);
  openIfKnown(ingest, run);
  run.lastPartAt = ingest.pipeline.now();
  return rank;
}

/** A rank has ended; with the last of them the run. Of an attempt that is over, or a run not known (null): nothing. */
export function closeRank(ingest: Ingest, name: string, position: RankPosition, outcome: Outcome): IngestRun | null {
  const run = ingest.runs.get(name) ?? null;
  const rank = run?.ranks.get(position.rank);
  if (run === null || rank === undefined || (position.attempt !== null && position.attempt !== run.attempt)) return run;
  rank.ended = outcome;
  run.lastPartAt = ingest.pipeline.now();
  if (isClosed(run)) endRun(ingest, run);
  return run;
}

const isClosed = ({ ranks }: IngestRun): boolean => [...ranks.values()].every(({ ended }) => ended !== null);

/** To be called every few seconds: ends runs that have been silent too long, forgets those that have lingered. */
export function sweep(ingest: Ingest): void {
  const { pipeline } = ingest;
  const now = pipeline.now();
  for (const run of ingest.runs.values()) {
    if (run.endedAt === null) {
      const someClosed = [...run.ranks.values()].some(({ ended }) => ended !== null);
      if (now - run.lastPartAt > (someClosed ? MAX_SILENCE_AFTER_CLOSE_MS : MAX_SILENCE_MS)) endRun(ingest, run);
    } else if (now - run.endedAt > LINGER_MS) {
      if (run.live !== null) forgetRun(pipeline, run.live);
      // What is recorded is read from the recording from now on.
      if (pipeline.recorder !== null && pipeline.live.get(run.name) === run.live) pipeline.live.delete(run.name);
      ingest.runs.delete(run.name);
    }
  }
}

/** The worst outcome of a rank is the run's; a silent rank's is unknown. */
const WORST_FIRST: readonly Outcome[] = ['failed', 'interrupted', 'unknown', 'completed'];

function endRun(ingest: Ingest, run: IngestRun): void {
  const outcomes = [...run.ranks.values()].map(({ ended }) => ended ?? 'unknown');
  closeLive(ingest, run, WORST_FIRST.find((outcome) => outcomes.includes(outcome)) ?? 'unknown');
  run.endedAt = ingest.pipeline.now();
}

/** What waits is assembled as it is, or dropped where the run has not begun. */
function closeLive(ingest: Ingest, run: IngestRun, outcome: Outcome): void {
  assembleStepsUpTo(ingest, run, Number.POSITIVE_INFINITY);
  if (run.live !== null) closeRun(ingest.pipeline, run.live, outcome);
  dropPendingSteps(ingest, run);
}

function addRun({ pipeline, limits, runs }: Ingest, name: string): IngestRun {
  if (runs.size >= limits.runs) {
    throw new FieldError('run', `must be one of the ${limits.runs} that are known here: end another one`, name, 429);
  }
  if (pipeline.live.get(name)?.outcome === null) {
    throw new FieldError('run', 'must not be one that this process watches itself', name, 409);
  }
  const now = pipeline.now();
  const run: IngestRun = {
    name,
    ...emptyAttempt(null, now),
    pastAttempts: new Set(),
    pendingSteps: new Map(),
    stages: 1,
    lastPartAt: now,
    timer: null,
    counts: { accepted: 0, duplicates: 0, late: 0, stragglers: 0, tokensDiffer: 0 },
  };
  runs.set(name, run);
  return run;
}

const emptyAttempt = (attempt: string | null, now: number) => ({
  attempt,
  live: null,
  listings: new Map(),
  ranks: new Map(),
  assembledSteps: new Map(),
  streams: 0,
  tokens: 0,
  worldSize: 1,
  lastAssembled: -1,
  startedAt: now,
  endedAt: null,
});

/** Ends the attempt that goes on, if there is one, and forgets its ranks. */
function beginAttempt(ingest: Ingest, run: IngestRun, attempt: string | null): void {
  if (run.endedAt === null && run.ranks.size > 0) closeLive(ingest, run, 'unknown');
  else dropPendingSteps(ingest, run);
  if (run.attempt !== null && run.attempt !== attempt) run.pastAttempts.add(run.attempt);
  if (run.pastAttempts.size > MAX_PAST_ATTEMPTS) run.pastAttempts.delete(run.pastAttempts.values().next().value!);
  Object.assign(run, emptyAttempt(attempt, ingest.pipeline.now()));
}
