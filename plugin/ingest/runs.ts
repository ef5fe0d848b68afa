/**
 * The runs of other processes: which ranks and stages they have, their attempts, what waits for its other ranks, and what is known
 * already. Puts a step together when all its ranks are there, or have been waited for long enough. No HTTP here (routes.ts).
 */
import type { Outcome, StepReport } from '../../src/telemetry/report.ts';
import { type ConnectionInfo, type RunHeader, sameConnections } from '../../src/telemetry/sample.ts';
import { FieldError } from '../fieldError.ts';
import { closeRun, forgetRun, type LiveRun, openRun, type Pipeline, takeReport } from '../pipeline.ts';
import { combine } from './combine.ts';
import type { Part, RankPlace } from './decode.ts';
import type { OpenState } from './schema.ts';

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

/** How long a rank is waited for, ms, and so at the start, when not all have been heard of. */
const RANK_AT_MOST = 3000;
const START_AT_MOST = 15_000;
/** Steps that a rank may miss in a row before it is no longer waited for. */
const MISSES = 3;
/** The last steps of a run of which it is known which ranks they have. */
const REMEMBERED = 2048;
/** How long a run that has ended stays to be scraped, ms; and when one of which nothing is heard is taken to have ended. */
const LINGER = 60_000;
const IDLE_AT_MOST = 3_600_000;
/** The same, where some of its ranks have said that they ended. */
const LEFT_AT_MOST = 60_000;
const ATTEMPTS_REMEMBERED = 1000;

interface Rank {
  stage: number;
  replica: number | null;
  lastStep: number;
  misses: number;
  /** How it said that it ended. */
  ended: Outcome | null;
}

interface Pending {
  parts: Map<number, Part>;
  since: number;
  /** Resolves when the step is kept; null: it was given up. */
  kept: Promise<boolean>;
  settle: (kept: boolean) => void;
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
  readonly done: Map<number, { ranks: Set<number>; kept: Promise<boolean> }>;
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
  readonly keepers: WeakMap<StepReport, (kept: boolean) => void>;
  /** Requests that were refused, by the status of the answer. */
  readonly refused: Map<number, number>;
}

export function createIngest(pipeline: Pipeline, limits: Limits = LIMITS): Ingest {
  const ingest: Ingest = { pipeline, limits, runs: new Map(), waiting: 0, keepers: new WeakMap(), refused: new Map() };
  pipeline.sinks.add({ kept: (_run, report) => ingest.keepers.get(report)?.(true) });
  return ingest;
}

export type Taken = 'accepted' | 'duplicates' | 'late';

/**
 * Takes one rank's part of a step.
 * @returns what it was, and a promise that says whether it is kept (false: given up, to be sent again)
 * @throws FieldError 429 where a limit is reached, 409 where it does not fit what the run has said before
 */
export function takePart(ingest: Ingest, name: string, part: Part): { taken: Taken; kept: Promise<boolean> } {
  const run = runOf(ingest, name);
  const already = Promise.resolve(true);
  const count = (taken: Taken, kept: Promise<boolean>) => {
    run.counts[taken]++;
    return { taken, kept };
  };
  const known = run.ranks.get(part.rank);
  if (part.attempt !== run.attempt) {
    if (part.attempt === null || run.past.has(part.attempt)) return count('late', already);
    beginAttempt(ingest, run, part.attempt);
  } else if (part.attempt === null && known !== undefined && part.step < known.lastStep) beginAttempt(ingest, run, null);
  if (run.ended !== null) {
    if (run.attempt !== null) return count('late', already);
    beginAttempt(ingest, run, null);
  }
  const rank = placeRank(ingest, run, part);
  list(ingest, run, part, part.streams, 'tokens' in part.content ? part.content.tokens : null);
  openIfKnown(ingest, run);
  run.heard = ingest.pipeline.now();
  if (part.step <= run.lastDone) {
    const done = run.done.get(part.step);
    return done === undefined || done.ranks.has(part.rank) ? count('duplicates', done?.kept ?? already) : count('late', already);
  }
  const pending = run.pending.get(part.step) ?? waitFor(run, part.step, run.heard);
  if (pending.parts.has(part.rank)) return count('duplicates', pending.kept);
  if (ingest.waiting + part.size > ingest.limits.waiting) {
    throw new FieldError('body', `must wait: ${ingest.limits.waiting} bytes wait for other ranks already`, part.size, 503);
  }
  ingest.waiting += part.size;
  pending.parts.set(part.rank, part);
  rank.lastStep = Math.max(rank.lastStep, part.step);
  rank.ended = null;
  putTogether(ingest, run);
  return count('accepted', pending.kept);
}

function waitFor(run: IngestRun, step: number, since: number): Pending {
  let settle: (kept: boolean) => void = () => {};
  const kept = new Promise<boolean>((resolve) => {
    settle = resolve;
  });
  const pending: Pending = { parts: new Map(), since, kept, settle };
  run.pending.set(step, pending);
  return pending;
}

/** Before the first step of a rank. */
export function openRank(ingest: Ingest, name: string, place: RankPlace, state: OpenState, connections: ConnectionInfo[]): IngestRun {
  const run = runOf(ingest, name);
  const known = run.ranks.get(place.rank);
  const again = place.attempt === null && known !== undefined;
  if (place.attempt !== run.attempt || again || run.ended !== null) {
    if (place.attempt !== null && (run.past.has(place.attempt) || (place.attempt === run.attempt && run.ended !== null))) {
      throw new FieldError('attempt', 'must be one that is not over', place.attempt, 409);
    }
    beginAttempt(ingest, run, place.attempt);
  }
  placeRank(ingest, run, place);
  list(ingest, run, { ...place, connections }, state.streams, state.tokens ?? null);
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
  if ([...run.ranks.values()].every(({ ended }) => ended !== null)) endRun(ingest, run);
  return run;
}

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
  if (run.attempt !== null) run.past.add(run.attempt);
  if (run.past.size > ATTEMPTS_REMEMBERED) for (const [oldest] of [run.past]) run.past.delete(oldest);
  run.attempt = attempt;
  run.live = null;
  run.listings.clear();
  run.streams = 0;
  run.ranks.clear();
  run.done.clear();
  run.lastDone = -1;
  run.worldSize = 1;
  run.began = ingest.pipeline.now();
  run.ended = null;
}

function placeRank(ingest: Ingest, run: IngestRun, place: RankPlace): Rank {
  const known = run.ranks.get(place.rank);
  if (known === undefined && run.ranks.size >= ingest.limits.ranks) {
    throw new FieldError('rank', `must be one of the ${ingest.limits.ranks} of this run that are known here`, place.rank, 429);
  }
  if (run.ranks.size > 0 && place.stages !== run.stages) {
    throw new FieldError('stages', `must be as the other ranks say (${run.stages})`, place.stages, 409);
  }
  if (known !== undefined && known.stage !== place.stage) {
    throw new FieldError('stage', `must be as rank ${place.rank} said before (${known.stage})`, place.stage, 409);
  }
  run.stages = place.stages;
  run.worldSize = Math.max(run.worldSize, place.worldSize);
  const rank = known ?? { stage: place.stage, replica: null, lastStep: -1, misses: 0, ended: null };
  rank.replica = place.replica;
  run.ranks.set(place.rank, rank);
  return rank;
}

/** Notes the connections of a stage, or checks that they are as they were. */
function list(
  ingest: Ingest,
  run: IngestRun,
  { stage, connections }: Pick<Part, 'stage' | 'connections'>,
  streams: number,
  tokens: number | null,
): void {
  const known = run.listings.get(stage);
  if (run.streams > 0 && streams !== run.streams) throw new FieldError('streams', `must be as before (n = ${run.streams})`, streams, 409);
  if (known !== undefined) {
    if (!sameConnections(known, connections)) {
      throw new FieldError('order', 'must be as at the start of the attempt (a new attempt may have others)', connections.length, 409);
    }
    return;
  }
  const others = [...run.listings.values()].flat();
  const all = others.length + connections.length;
  if (all > ingest.limits.connections)
    throw new FieldError('order', `must leave the run at most ${ingest.limits.connections} connections`, all, 429);
  const names = new Set(others.map((one) => one.name));
  const twice = connections.find((one) => names.has(one.name));
  if (twice !== undefined) throw new FieldError('order', 'must have names that no other stage has', twice.name, 409);
  run.listings.set(stage, connections);
  run.streams = streams;
  if (tokens !== null) run.tokens = tokens;
}

const stagesOf = (run: IngestRun): ConnectionInfo[][] =>
  Array.from({ length: run.stages }, (_, stage) => run.listings.get(stage)).filter((listing) => listing !== undefined);

/** The run begins when the connections of all stages are known. */
function openIfKnown(ingest: Ingest, run: IngestRun): void {
  const stages = stagesOf(run);
  if (run.live !== null || stages.length < run.stages) return;
  const header: RunHeader = { run: run.name, streams: run.streams, tokens: Math.max(1, run.tokens), connections: stages.flat() };
  run.live = openRun(ingest.pipeline, header, run.attempt);
  run.lastDone = run.live.recording?.lastStep ?? -1;
}

/** Every step that has all its ranks, in order; those before it have had their time. */
function putTogether(ingest: Ingest, run: IngestRun): void {
  if (run.live === null) return rest(ingest, run);
  const steps = [...run.pending.keys()].sort((a, b) => a - b);
  const now = ingest.pipeline.now();
  const starting = run.ranks.size < run.worldSize && now - run.began < START_AT_MOST;
  const expected = [...run.ranks].filter(([, { ended, misses }]) => ended === null && misses < MISSES).map(([rank]) => rank);
  const ready = (step: number) => {
    const { parts, since } = run.pending.get(step)!;
    return (!starting && expected.every((rank) => parts.has(rank))) || (!starting && now - since >= RANK_AT_MOST);
  };
  const last = steps.findLast(ready);
  if (last !== undefined) flush(ingest, run, last);
  rest(ingest, run);
}

/** Looks again when the first that waits has had its time. */
function rest(ingest: Ingest, run: IngestRun): void {
  if (run.timer !== null) clearTimeout(run.timer);
  run.timer = run.pending.size === 0 ? null : setTimeout(() => putTogether(ingest, run), RANK_AT_MOST / 4).unref();
}

function flush(ingest: Ingest, run: IngestRun, upTo: number): void {
  const { live, pending, ranks, counts } = run;
  if (live === null) return;
  const starts = stageStarts(run);
  for (const step of [...pending.keys()].filter((one) => one <= upTo).sort((a, b) => a - b)) {
    const { parts, settle, kept } = pending.get(step)!;
    pending.delete(step);
    for (const part of parts.values()) ingest.waiting -= part.size;
    for (const [number, rank] of ranks) {
      if (rank.ended !== null && !parts.has(number)) continue;
      if (!parts.has(number)) counts.stragglers += rank.misses < MISSES ? 1 : 0;
      rank.misses = parts.has(number) ? 0 : rank.misses + 1;
    }
    run.done.set(step, { ranks: new Set(parts.keys()), kept });
    if (run.done.size > REMEMBERED) run.done.delete(run.done.keys().next().value!);
    run.lastDone = step;
    try {
      const { report, tokensDiffer } = combine(live.header, starts, pipelinesOf(run, [...parts.values()]));
      if (tokensDiffer) counts.tokensDiffer++;
      ingest.keepers.set(report, settle);
      takeReport(ingest.pipeline, live, report);
    } catch (error) {
      live.errors++;
      settle(true); // sent again it would fail again
      ingest.pipeline.onProblem(`step ${step} of ${run.name} could not be put together: ${(error as Error).message}`);
    }
  }
}

function stageStarts(run: IngestRun): number[] {
  let at = 0;
  return stagesOf(run).map((listing) => {
    at += listing.length;
    return at - listing.length;
  });
}

/** The parts of a step by data-parallel pipeline, each by stage. Without a number, a rank's place among those of its stage. */
function pipelinesOf(run: IngestRun, parts: readonly Part[]): Part[][] {
  const places = new Map<number, number>();
  const seen = new Map<number, number>();
  for (const [number, { stage, replica }] of [...run.ranks].sort(([a], [b]) => a - b)) {
    const place = seen.get(stage) ?? 0;
    seen.set(stage, place + 1);
    places.set(number, replica ?? place);
  }
  const pipelines = new Map<number, Part[]>();
  for (const part of [...parts].sort((a, b) => a.stage - b.stage || a.rank - b.rank)) {
    // Two ranks of one stage that say the same number (tensor parallel): the first speaks for both.
    const pipeline = pipelines.get(places.get(part.rank)!) ?? [];
    if (pipeline.at(-1)?.stage !== part.stage) pipeline.push(part);
    pipelines.set(places.get(part.rank)!, pipeline);
  }
  return [...pipelines.entries()].sort(([a], [b]) => a - b).map(([, pipeline]) => pipeline);
}

/** Parts of steps that will not be put together: their senders keep them. */
function giveUp(ingest: Ingest, run: IngestRun): void {
  for (const { parts, settle } of run.pending.values()) {
    for (const part of parts.values()) ingest.waiting -= part.size;
    settle(false);
  }
  run.pending.clear();
  if (run.timer !== null) clearTimeout(run.timer);
  run.timer = null;
}
