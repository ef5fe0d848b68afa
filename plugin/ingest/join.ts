/**
 * The steps of a run whose ranks come one by one: waited for, assembled in the order of the steps, passed to the pipeline. Which
 * ranks there are, and the attempts, are ranks.ts's and lifecycle.ts's.
 *
 *   a step:  absent ──first part──► pending ──ready, or time is up──► assembled ──► committed
 *                                      │                                  ├───────► unrecorded (nothing is recorded)
 *                                      │                                  └───────► dropped (the disk refused)
 *                                      └── the attempt ends before all stages are known ──► dropped
 *
 *   ready: all ranks that are waited for are there, or a later step is ready. Time is up after MAX_WAIT_MS, or when the attempt ends.
 */
import type { Committed } from '../pipeline/liveRun.ts';
import { handleReport } from '../pipeline/pipeline.ts';
import { stopTimer } from '../timers.ts';
import { combine } from './combine.ts';
import { type Ingest, type IngestRun, type PendingStepState, stagesOf } from './ingestRun.ts';
import { expectedRanks, noteStep } from './ranks.ts';
import { sumCounters } from './reduce.ts';

/** How long a step waits for a rank. Our choice: above the half second between the requests of a sender, below its patience. */
const MAX_WAIT_MS = 3000;
/** The same at the start of an attempt, while some ranks have sent nothing yet: processes of a job start seconds apart. Our choice. */
const MAX_START_WAIT_MS = 15_000;
/** Of which it is known which ranks they have: above MAX_STEPS of a request. Our choice. */
const MAX_REMEMBERED_STEPS = 2048;

/** A step that waits for its ranks, without any so far. @param since ms */
export function addPendingStep(run: IngestRun, step: number, since: number): PendingStepState {
  let resolve: PendingStepState['resolve'] = () => {};
  const committed = new Promise<Committed>((known) => {
    resolve = known;
  });
  const pending: PendingStepState = { parts: new Map(), since, committed, resolve };
  run.pendingSteps.set(step, pending);
  return pending;
}

/** Assembles every step that has all its ranks, and those before it; looks again when the first that waits has had its time. */
export function assembleReadySteps(ingest: Ingest, run: IngestRun): void {
  if (run.live !== null) {
    const last = lastReadyStep(run, ingest.pipeline.now());
    if (last !== null) assembleStepsUpTo(ingest, run, last);
  }
  stopTimer(run);
  if (run.pendingSteps.size > 0) run.timer = setTimeout(() => assembleReadySteps(ingest, run), MAX_WAIT_MS / 4).unref();
}

function lastReadyStep(run: IngestRun, now: number): number | null {
  if (run.ranks.size < run.worldSize && now - run.startedAt < MAX_START_WAIT_MS) return null;
  const expected = expectedRanks(run);
  let last: number | null = null;
  for (const [step, { parts, since }] of run.pendingSteps) {
    const isReady = now - since >= MAX_WAIT_MS || expected.every((rank) => parts.has(rank));
    if (isReady && (last === null || step > last)) last = step;
  }
  return last;
}

/** Passes the steps that wait to the pipeline, in their order, with the ranks that they have. Nothing where the run has not begun. */
export function assembleStepsUpTo(ingest: Ingest, run: IngestRun, lastStep: number): void {
  if (run.live === null) return;
  for (const step of [...run.pendingSteps.keys()].filter((one) => one <= lastStep).sort((a, b) => a - b)) {
    const pending = removePendingStep(ingest, run, step);
    noteStep(run, pending.parts);
    run.assembledSteps.set(step, { ranks: new Set(pending.parts.keys()), committed: pending.committed });
    if (run.assembledSteps.size > MAX_REMEMBERED_STEPS) run.assembledSteps.delete(run.assembledSteps.keys().next().value!);
    run.lastAssembled = step;
    try {
      const { report, tokensDiffer } = combine(run.live.header, stagesOf(run), run.ranks, [...pending.parts.values()]);
      if (tokensDiffer) run.counts.tokensDiffer++;
      // Of ranks that are away too: what counts does not go down with them.
      const monitor = sumCounters([...run.ranks.values()].map(({ counters }) => counters));
      void handleReport(ingest.pipeline, run.live, { ...report, monitor }).then(pending.resolve);
    } catch (error) {
      run.live.errors++;
      pending.resolve('unrecorded'); // sent again it would fail again
      ingest.pipeline.onProblem(`step ${step} of ${run.name} could not be put together: ${(error as Error).message}`);
    }
  }
}

function removePendingStep(ingest: Ingest, run: IngestRun, step: number): PendingStepState {
  const pending = run.pendingSteps.get(step)!;
  run.pendingSteps.delete(step);
  for (const part of pending.parts.values()) ingest.waitingBytes -= part.size;
  return pending;
}

/** Steps that will not be assembled: their senders keep them. */
export function dropPendingSteps(ingest: Ingest, run: IngestRun): void {
  for (const step of [...run.pendingSteps.keys()]) removePendingStep(ingest, run, step).resolve('dropped');
  stopTimer(run);
}
