/**
 * The ranks of one step: waited for, some seconds at most, put together in the order of the steps and handed to the pipeline. Which
 * rank belongs where, and the attempts, are runs.ts's.
 */
import type { MonitorCounters } from '../../src/telemetry/sample.ts';
import type { Committed } from '../pipeline/liveRun.ts';
import { handleReport } from '../pipeline/pipeline.ts';
import { combine } from './combine.ts';
import type { Part } from './part.ts';
import { type Ingest, type IngestRun, type Pending, type Rank, stagesOf } from './run.ts';

/** How long a rank is waited for, ms, and so at the start, when not all have been heard of. */
const RANK_AT_MOST = 3000;
const START_AT_MOST = 15_000;
/** Steps that a rank may miss in a row before it is no longer waited for. */
const MISSES = 3;
/** The last steps of a run of which it is known which ranks they have. */
const REMEMBERED = 2048;

export function waitFor(run: IngestRun, step: number, since: number): Pending {
  let resolve: Pending['resolve'] = () => {};
  const committed = new Promise<Committed>((known) => {
    resolve = known;
  });
  const pending: Pending = { parts: new Map(), since, committed, resolve };
  run.pending.set(step, pending);
  return pending;
}

/** Every step that has all its ranks, in order; those before it have had their time. */
export function putTogether(ingest: Ingest, run: IngestRun): void {
  if (run.live !== null) flushReady(ingest, run);
  rest(ingest, run);
}

function flushReady(ingest: Ingest, run: IngestRun): void {
  const steps = [...run.pending.keys()].sort((a, b) => a - b);
  const now = ingest.pipeline.now();
  const starting = run.ranks.size < run.worldSize && now - run.began < START_AT_MOST;
  const expected = [...run.ranks].filter(([, { ended, misses }]) => ended === null && misses < MISSES).map(([rank]) => rank);
  const ready = (step: number) => {
    const { parts, since } = run.pending.get(step)!;
    return !starting && (now - since >= RANK_AT_MOST || expected.every((rank) => parts.has(rank)));
  };
  const last = steps.findLast(ready);
  if (last !== undefined) flush(ingest, run, last);
}

/** Looks again when the first that waits has had its time. */
function rest(ingest: Ingest, run: IngestRun): void {
  if (run.timer !== null) clearTimeout(run.timer);
  run.timer = run.pending.size === 0 ? null : setTimeout(() => putTogether(ingest, run), RANK_AT_MOST / 4).unref();
}

export function flush(ingest: Ingest, run: IngestRun, upTo: number): void {
  const { live, pending, ranks, counts } = run;
  if (live === null) return;
  const starts = stageStarts(run);
  for (const step of [...pending.keys()].filter((one) => one <= upTo).sort((a, b) => a - b)) {
    const { parts, resolve, committed } = pending.get(step)!;
    pending.delete(step);
    for (const part of parts.values()) ingest.waiting -= part.size;
    for (const { rank, content } of parts.values())
      ranks.get(rank)!.counters = ('sample' in content ? content.sample : content.report).monitor;
    for (const [number, rank] of ranks) {
      if (rank.ended !== null && !parts.has(number)) continue;
      if (!parts.has(number)) counts.stragglers += rank.misses < MISSES ? 1 : 0;
      rank.misses = parts.has(number) ? 0 : rank.misses + 1;
    }
    run.done.set(step, { ranks: new Set(parts.keys()), committed });
    if (run.done.size > REMEMBERED) run.done.delete(run.done.keys().next().value!);
    run.lastDone = step;
    try {
      const { report: combined, tokensDiffer } = combine(live.header, starts, pipelinesOf(run, [...parts.values()]));
      const report = { ...combined, monitor: countedBy([...ranks.values()]) };
      if (tokensDiffer) counts.tokensDiffer++;
      void handleReport(ingest.pipeline, live, report).then(resolve);
    } catch (error) {
      live.errors++;
      resolve('unrecorded'); // sent again it would fail again
      ingest.pipeline.onProblem(`step ${step} of ${run.name} could not be put together: ${(error as Error).message}`);
    }
  }
}

/** Ranks that are away too: what counts does not go down with them. */
function countedBy(ranks: readonly Rank[]): MonitorCounters {
  const sum = (of: (counters: MonitorCounters) => number) => ranks.reduce((total, { counters }) => total + of(counters), 0);
  return {
    overheadSeconds: sum((counters) => counters.overheadSeconds),
    samplesDropped: sum((counters) => counters.samplesDropped),
    errors: sum((counters) => counters.errors),
  };
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
export function giveUp(ingest: Ingest, run: IngestRun): void {
  for (const { parts, resolve } of run.pending.values()) {
    for (const part of parts.values()) ingest.waiting -= part.size;
    resolve('dropped');
  }
  run.pending.clear();
  if (run.timer !== null) clearTimeout(run.timer);
  run.timer = null;
}
