/**
 * The runs of other processes: their ranks and stages, their attempts, their end, and what is known already. Waiting for ranks is
 * join.ts's; no HTTP here (server/ingest.ts).
 */
import type { Outcome } from '../../src/telemetry/report.ts';
import type { ConnectionInfo } from '../../src/telemetry/sample.ts';
import { FieldError } from '../fieldError.ts';
import type { Committed } from '../pipeline/liveRun.ts';
import { closeRun, forgetRun, type Pipeline } from '../pipeline/pipeline.ts';
import { flush, giveUp, putTogether, waitFor } from './join.ts';
import type { Part, RankPlace } from './part.ts';
import { checkRank, noteRank, openIfKnown } from './ranks.ts';
import { type Ingest, type IngestRun, LIMITS, type Limits } from './run.ts';
import type { OpenState } from './schema.ts';

/** How long a run that has ended stays to be scraped, ms; and when one of which nothing is heard is taken to have ended. */
const LINGER = 60_000;
const IDLE_AT_MOST = 3_600_000;
/** The same, where some of its ranks have said that they ended. */
const LEFT_AT_MOST = 60_000;
const ATTEMPTS_REMEMBERED = 1000;

export function createIngest(pipeline: Pipeline, limits: Limits = LIMITS): Ingest {
  const ingest: Ingest = { pipeline, limits, runs: new Map(), waiting: 0, refused: new Map() };
  return ingest;
}

export type Taken = 'accepted' | 'duplicates' | 'late';

/**
 * Takes one rank's part of a step.
 * @returns what it was, and what becomes of its step (`dropped`: to be sent again)
 * @throws FieldError 429 where a limit is reached, 409 where it does not fit what the run has said before
 */
export function takePart(ingest: Ingest, name: string, part: Part): { taken: Taken; committed: Promise<Committed> } {
  return withRun(ingest, name, (run) => takeIn(ingest, run, part));
}

/** A run that its first request does not make stays unknown. */
function withRun<T>(ingest: Ingest, name: string, act: (run: IngestRun) => T): T {
  const run = runOf(ingest, name);
  try {
    return act(run);
  } finally {
    if (run.listings.size === 0 && run.past.size === 0) ingest.runs.delete(name);
  }
}

function takeIn(ingest: Ingest, run: IngestRun, part: Part): { taken: Taken; committed: Promise<Committed> } {
  const already = Promise.resolve<Committed>('committed');
  const count = (taken: Taken, committed: Promise<Committed>) => {
    run.counts[taken]++;
    return { taken, committed };
  };
  const known = run.ranks.get(part.rank);
  if (isOver(run, part.attempt)) return count('late', already);
  const anew =
    part.attempt !== run.attempt || run.ended !== null || (part.attempt === null && known !== undefined && part.step < known.lastStep);
  checkRank(ingest, anew ? null : run, part, part.connections, part.streams);
  if (anew) beginAttempt(ingest, run, part.attempt);
  const rank = noteRank(run, part, part.connections, part.streams, 'tokens' in part.content ? part.content.tokens : null);
  openIfKnown(ingest, run);
  run.heard = ingest.pipeline.now();
  if (part.step <= run.lastDone) {
    const done = run.done.get(part.step);
    return done === undefined || done.ranks.has(part.rank) ? count('duplicates', done?.committed ?? already) : count('late', already);
  }
  const pending = run.pending.get(part.step) ?? waitFor(run, part.step, run.heard);
  if (pending.parts.has(part.rank)) return count('duplicates', pending.committed);
  if (ingest.waiting + part.size > ingest.limits.waiting) {
    throw new FieldError('body', `must wait: ${ingest.limits.waiting} bytes wait for other ranks already`, part.size, 503);
  }
  ingest.waiting += part.size;
  pending.parts.set(part.rank, part);
  rank.lastStep = Math.max(rank.lastStep, part.step);
  rank.ended = null;
  putTogether(ingest, run);
  return count('accepted', pending.committed);
}

/** One that ended by silence goes on; one that its ranks closed does not. */
function isOver(run: IngestRun, attempt: string | null): boolean {
  if (attempt === null) return run.attempt !== null && run.ended === null;
  return attempt === run.attempt ? run.ended !== null && isClosed(run) : run.past.has(attempt);
}

/** Before the first step of a rank. */
export function openRank(ingest: Ingest, name: string, place: RankPlace, state: OpenState, connections: ConnectionInfo[]): IngestRun {
  return withRun(ingest, name, (run) => openIn(ingest, run, place, state, connections));
}

function openIn(ingest: Ingest, run: IngestRun, place: RankPlace, state: OpenState, connections: ConnectionInfo[]): IngestRun {
  const known = run.ranks.get(place.rank);
  const anew = place.attempt !== run.attempt || run.ended !== null || (place.attempt === null && known !== undefined);
  if (place.attempt !== null && place.attempt !== run.attempt && run.past.has(place.attempt)) {
    throw new FieldError('attempt', 'must not be one before the current', place.attempt, 409);
  }
  checkRank(ingest, anew ? null : run, place, connections, state.streams);
  if (anew) beginAttempt(ingest, run, place.attempt);
  noteRank(run, place, connections, state.streams, state.tokens ?? null).ended = null;
  openIfKnown(ingest, run);
  run.heard = ingest.pipeline.now();
  return run;
}

/** A rank has ended; with the last of them the run. Of an attempt that is over, or a run not known: nothing. */
export function closeRank(ingest: Ingest, name: string, place: RankPlace, outcome: Outcome): IngestRun | null {
  const run = ingest.runs.get(name) ?? null;
  const rank = run?.ranks.get(place.rank);
  if (run === null || rank === undefined || (place.attempt !== null && place.attempt !== run.attempt)) return run;
  rank.ended = outcome;
  run.heard = ingest.pipeline.now();
  if (isClosed(run)) endRun(ingest, run);
  return run;
}

const isClosed = ({ ranks }: IngestRun): boolean => [...ranks.values()].every(({ ended }) => ended !== null);

/** To be called now and then: ends runs of which nothing is heard any more, forgets those that have lingered. */
export function sweep(ingest: Ingest): void {
  const now = ingest.pipeline.now();
  for (const run of ingest.runs.values()) {
    const some = [...run.ranks.values()].some(({ ended }) => ended !== null);
    if (run.ended === null) {
      if (now - run.heard > (some ? LEFT_AT_MOST : IDLE_AT_MOST)) endRun(ingest, run);
    } else if (now - run.ended > LINGER) {
      const { pipeline } = ingest;
      if (run.live !== null) forgetRun(pipeline, run.live);
      // What is recorded is read from the recording from now on.
      if (pipeline.recorder !== null && pipeline.live.get(run.name) === run.live) pipeline.live.delete(run.name);
      ingest.runs.delete(run.name);
    }
  }
}

/** The worst of what the ranks said counts, and silence as not known. */
const WORST: readonly Outcome[] = ['failed', 'interrupted', 'unknown', 'completed'];

function endRun(ingest: Ingest, run: IngestRun): void {
  flush(ingest, run, Number.POSITIVE_INFINITY);
  const outcomes = [...run.ranks.values()].map(({ ended }) => ended ?? 'unknown');
  if (run.live !== null) closeRun(ingest.pipeline, run.live, WORST.find((outcome) => outcomes.includes(outcome)) ?? 'unknown');
  giveUp(ingest, run);
  run.ended = ingest.pipeline.now();
}

function runOf(ingest: Ingest, name: string): IngestRun {
  const known = ingest.runs.get(name);
  if (known !== undefined) return known;
  const { pipeline, limits, runs } = ingest;
  if (runs.size >= limits.runs) {
    throw new FieldError('run', `must be one of the ${limits.runs} that are known here: end another one`, name, 429);
  }
  if (pipeline.live.get(name)?.outcome === null) {
    throw new FieldError('run', 'must not be one that this process watches itself', name, 409);
  }
  const now = pipeline.now();
  const run: IngestRun = {
    name,
    attempt: null,
    past: new Set(),
    live: null,
    stages: 1,
    listings: new Map(),
    streams: 0,
    tokens: 0,
    worldSize: 1,
    ranks: new Map(),
    pending: new Map(),
    done: new Map(),
    lastDone: -1,
    began: now,
    heard: now,
    ended: null,
    timer: null,
    counts: { accepted: 0, duplicates: 0, late: 0, stragglers: 0, tokensDiffer: 0 },
  };
  runs.set(name, run);
  return run;
}

function beginAttempt(ingest: Ingest, run: IngestRun, attempt: string | null): void {
  if (run.ended === null && run.ranks.size > 0) {
    flush(ingest, run, Number.POSITIVE_INFINITY);
    if (run.live !== null) closeRun(ingest.pipeline, run.live, 'unknown');
  }
  giveUp(ingest, run);
  if (run.attempt !== null && run.attempt !== attempt) run.past.add(run.attempt);
  if (run.past.size > ATTEMPTS_REMEMBERED) run.past.delete(run.past.values().next().value!);
  run.attempt = attempt;
  run.live = null;
  run.listings.clear();
  run.streams = 0;
  run.tokens = 0;
  run.ranks.clear();
  run.done.clear();
  run.lastDone = -1;
  run.worldSize = 1;
  run.began = ingest.pipeline.now();
  run.ended = null;
}
