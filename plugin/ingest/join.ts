/**
 * The steps of a run whose ranks come one by one: waited for, assembled in the order of the steps, passed to the pipeline. Which
 * ranks there are, and the attempts, are ranks.ts's and lifecycle.ts's; how long is waited, patience.ts's.
 *
 *   a step:  absent ──first part──► pending ──ready, or time is up──► assembled ──► committed
 *              ▲                       │                                  ├───────► unrecorded (nothing shall be recorded)
 *              │                       │                                  ├───────► dropped (too much waits, or the run has ended)
 *              │                       │                                  └───────► impossible (it can never be kept)
 *              │                       └── the attempt ends before all stages are known, or analysed ──► dropped
 *              └─────────────────────────────── sent again ◄──────────────────────────────────┘
 *
 *   ready: all ranks that are waited for are there; or, after GRACE_MS, a later step is. Time is up after MAX_WAIT_MS, or when the attempt
 *   ends. A step below one that was assembled comes late: it waits for its ranks like any, and holds up none.
 */
import { FieldError } from '../fieldError.ts';
import type { Committed, LiveRun } from '../pipeline/liveRun.ts';
import { handleReport } from '../pipeline/pipeline.ts';
import { stopTimer } from '../timers.ts';
import { markOf, type Part } from '../wire/part.ts';
import { chainedStages, combine } from './combine.ts';
import { type AssembledStep, type Ingest, type IngestRun, type PendingStepState, stagesOf } from './ingestRun.ts';
import { namedOf } from './names.ts';
import { lookAtPatience, TICK_MS } from './patience.ts';
import { expectedRanks, noteStep, rangesOf } from './ranks.ts';
import { sumCounters } from './reduce.ts';

/** How long a step waits for a rank. Our choice: above the half second between the requests of a sender, below its patience. */
const MAX_WAIT_MS = 3000;
/** The same where a later step has all its ranks. Our choice: requests of one rank may overtake each other on their way. */
const GRACE_MS = 500;
/** The same at the start of an attempt, while some ranks have sent nothing yet: processes of a job start seconds apart. Our choice. */
const MAX_START_WAIT_MS = 15_000;
/** The same after a restart of this process. Our choice: above the longest pause of a sender between two tries, 30 s. */
const MAX_RESUME_WAIT_MS = 40_000;
/** However busy the server is. Our choice. */
const MAX_TOTAL_WAIT_MS = 120_000;
/** Committed ones of which it is known which ranks they have: above MAX_STEPS of a request. Our choice. */
const MAX_REMEMBERED_STEPS = 2048;
/** How long steps are put together before others are heard. Our choice. */
const MAX_TURN_MS = 20;
/** Of H_res, analysed on the loop where an attempt ends while its stages are not. Our choice: some 30 ms. */
const MAX_VALUES_AT_ONCE = 65_536;

/** Adds a part to its step. @returns what becomes of the step. @throws FieldError 503 where too much waits */
export function addPart(ingest: Ingest, run: IngestRun, part: Part): Promise<Committed> {
  const known = run.pendingSteps.get(part.step);
  if (!hasPlace(ingest, run, part, known)) {
    const rule = `must wait: ${run.waitingBytes} bytes of this run wait for other ranks already (${ingest.waitingBytes} of all runs)`;
    throw new FieldError('body', rule, part.size, 503);
  }
  const pending = known ?? addPendingStep(ingest, run, part.step);
  pending.parts.set(part.rank, part);
  ingest.waitingBytes += part.size;
  run.waitingBytes += part.size;
  const rank = run.ranks.get(part.rank);
  if (rank !== undefined) rank.lastStep = Math.max(rank.lastStep, part.step);
  return pending.committed;
}

function addPendingStep(ingest: Ingest, run: IngestRun, step: number): PendingStepState {
  let resolve: PendingStepState['resolve'] = () => {};
  const committed = new Promise<Committed>((known) => {
    resolve = known;
  });
  if (run.pendingSteps.size === 0) run.lookedAt = ingest.pipeline.monotonic();
  const addedAt = ingest.pipeline.monotonic();
  const analysis = { analysed: new Map(), analysedParts: 0, isAnalysing: false };
  const pending: PendingStepState = { parts: new Map(), since: run.patience, addedAt, ...analysis, committed, resolve };
  run.pendingSteps.set(step, pending);
  return pending;
}

/**
 * May a part wait? Each run has a share that nobody can take from it, and a part of what is common; what completes its step needs neither.
 * Half of all is shared out, half is common. Our choice.
 */
function hasPlace(
  { runs, limits, waitingBytes }: Ingest,
  run: IngestRun,
  { rank, size }: Part,
  known: PendingStepState | undefined,
): boolean {
  const share = limits.waitingBytes / 2 / limits.runs;
  if (run.waitingBytes + size <= share) return true;
  let common = 0;
  for (const other of runs.values()) common += Math.max(0, other.waitingBytes - share);
  if (
    run.waitingBytes + size <= limits.runWaitingBytes &&
    common + size <= limits.waitingBytes / 2 &&
    waitingBytes + size <= limits.waitingBytes
  )
    return true;
  const isComplete = run.ranks.size >= run.worldSize || run.patience >= startWait(run);
  return run.live !== null && isComplete && expectedRanks(run).every((one) => one === rank || known?.parts.has(one));
}

/** Assembles the steps that are ready, for a moment; looks again soon as long as some wait. */
export function assembleReadySteps(ingest: Ingest, run: IngestRun): void {
  stopTimer(run);
  lookAtPatience(ingest, run);
  const isDone = run.live === null || assemble(ingest, run, readySteps(ingest, run), MAX_TURN_MS);
  if (run.pendingSteps.size > 0) run.timer = setTimeout(() => assembleReadySteps(ingest, run), isDone ? TICK_MS : 0).unref();
}

const startWait = ({ isResumed }: IngestRun): number => (isResumed ? MAX_RESUME_WAIT_MS : MAX_START_WAIT_MS);

/** In their order. */
function readySteps(ingest: Ingest, run: IngestRun): number[] {
  const { pipeline } = ingest;
  if (run.ranks.size < run.worldSize && run.patience < startWait(run)) return [];
  const expected = expectedRanks(run);
  const isComplete = ({ parts }: PendingStepState) => parts.size >= expected.length && expected.every((rank) => parts.has(rank));
  const steps = [...run.pendingSteps].sort(([a], [b]) => a - b);
  const lastComplete = steps.findLast(([, pending]) => isComplete(pending))?.[0] ?? Number.NEGATIVE_INFINITY;
  const ready: number[] = [];
  for (const [step, pending] of steps) {
    const waited = run.patience - pending.since;
    const isUp = waited >= (step < lastComplete ? GRACE_MS : MAX_WAIT_MS) || pipeline.monotonic() - pending.addedAt >= MAX_TOTAL_WAIT_MS;
    if ((isUp || isComplete(pending)) && isAnalysed(ingest, run, pending)) ready.push(step);
    else if (step > run.lastAssembled) break; // those after it wait for it
  }
  return ready;
}

/** Of a step, with their connections by the names that they have in the run. */
const namedParts = (run: IngestRun, { parts }: PendingStepState): Part[] =>
  [...parts.values()].map((part) => {
    const connections = namedOf(run, part.stage, part.connections);
    return connections === part.connections ? part : { ...part, connections };
  });

/** Are the stages of a step analysed as one model? If not, or as parts have come since, that begins, beside the loop. */
function isAnalysed(ingest: Ingest, run: IngestRun, pending: PendingStepState): boolean {
  if (run.stages === 1 || run.live === null) return true;
  const { parts, analysed } = pending;
  if (pending.isAnalysing || pending.analysedParts === parts.size) return !pending.isAnalysing;
  pending.analysedParts = parts.size;
  const chains = chainedStages(stagesOf(run), run.ranks, namedParts(run, pending), analysed);
  if (chains.size === 0) return true;
  pending.isAnalysing = true;
  const analyses = [...chains].map(async ([key, { header, sample }]) => {
    analysed.set(key, await ingest.analyst.analyse(header, sample));
  });
  void Promise.allSettled(analyses).then((ends) => {
    pending.isAnalysing = false;
    // The thread died of something else: asked again with the next look.
    if (ends.some((end) => end.status === 'rejected' && (end.reason as { status?: unknown }).status === 503)) pending.analysedParts = 0;
    else assembleReadySteps(ingest, run);
  });
  return false;
}

/** Has all that waits its stages analysed? What has not is begun with. */
export const areAnalysed = (ingest: Ingest, run: IngestRun): boolean =>
  [...run.pendingSteps.values()].filter((pending) => !isAnalysed(ingest, run, pending)).length === 0;

/** Values of H_res whose analysis the loop would be held by now; 0: it is done, or there is none. */
function valuesToAnalyse({ stages }: IngestRun, { parts, isAnalysing, analysedParts }: PendingStepState): number {
  if (stages === 1 || (!isAnalysing && analysedParts === parts.size)) return 0;
  return [...parts.values()].reduce((sum, { content }) => sum + (content.matrices?.sample.mappings.length ?? 0), 0);
}

/**
 * Passes what waits to the pipeline, in its order, with the ranks that it has: all but what would hold the loop for long. Nothing where the
 * run has not begun.
 */
export function assembleAll(ingest: Ingest, run: IngestRun): void {
  if (run.live === null) return;
  let left = MAX_VALUES_AT_ONCE;
  const steps = [...run.pendingSteps].sort(([a], [b]) => a - b);
  const cheap = steps.filter(([, pending]) => {
    const values = valuesToAnalyse(run, pending);
    const isCheap = values <= left;
    if (isCheap) left -= values;
    return isCheap;
  });
  assemble(
    ingest,
    run,
    cheap.map(([step]) => step),
    Number.POSITIVE_INFINITY,
  );
}

/** @param turnMs after which it stops. @returns whether all are done */
function assemble(ingest: Ingest, run: IngestRun, steps: readonly number[], turnMs: number): boolean {
  const start = ingest.pipeline.monotonic();
  return steps.every((step, i) => {
    if (i > 0 && ingest.pipeline.monotonic() - start > turnMs) return false;
    assembleStep(ingest, run, step);
    return true;
  });
}

function assembleStep(ingest: Ingest, run: IngestRun, step: number): void {
  const live = run.live!;
  const pending = removePendingStep(ingest, run, step);
  const { parts } = pending;
  const partRanks = parts.size === 1 && parts.has(0) ? {} : { partRanks: rangesOf(parts.keys()) };
  if (step > run.lastAssembled) noteStep(run, pending.parts);
  run.lastAssembled = Math.max(run.lastAssembled, step);
  try {
    const stages = stagesOf(run).map((listing, stage) => namedOf(run, stage, listing));
    const streams = Math.max(1, run.streams);
    const { report, connections, tokensDiffer } = combine(streams, stages, run.ranks, namedParts(run, pending), pending.analysed);
    if (tokensDiffer) run.counts.tokensDiffer++;
    // Of ranks that are away too: what counts does not go down with them.
    const monitor = sumCounters([...run.ranks.values()].map(({ counters }) => counters));
    const whole = { ...report, monitor, ...partRanks };
    const ranks = new Map([...pending.parts].map(([rank, part]) => [rank, run.attempt === null ? markOf(part) : 0]));
    remember(run, live, step, { ranks, committed: pending.committed });
    void handleReport(ingest.pipeline, live, whole, { connections, streams }).then(pending.resolve);
  } catch (error) {
    live.errors++;
    pending.resolve('impossible'); // sent again it would fail again
    ingest.pipeline.onProblem(`step ${step} of ${run.name} could not be put together: ${(error as Error).message}`);
  }
}

/** Until it is forgotten among many that are committed; one that was not kept is, so that it is taken when it is sent again. */
function remember({ assembledSteps }: IngestRun, live: LiveRun, step: number, assembled: Pick<AssembledStep, 'ranks' | 'committed'>): void {
  const one: AssembledStep = { ...assembled, losses: null };
  assembledSteps.set(step, one);
  void one.committed.then((committed) => {
    one.losses = live.losses;
    if ((committed === 'dropped' || committed === 'impossible') && assembledSteps.get(step) === one) assembledSteps.delete(step);
    // The first to come are the first to be committed. One that waits stays: asked in the file, it would be new.
    for (const [old, { losses }] of assembledSteps) {
      if (assembledSteps.size <= MAX_REMEMBERED_STEPS || losses === null) break;
      assembledSteps.delete(old);
    }
  });
}

function removePendingStep(ingest: Ingest, run: IngestRun, step: number): PendingStepState {
  const pending = run.pendingSteps.get(step)!;
  run.pendingSteps.delete(step);
  for (const { size } of pending.parts.values()) {
    ingest.waitingBytes -= size;
    run.waitingBytes -= size;
  }
  return pending;
}

/** Steps that will not be assembled: their senders keep them. */
export function dropPendingSteps(ingest: Ingest, run: IngestRun): void {
  for (const step of [...run.pendingSteps.keys()]) removePendingStep(ingest, run, step).resolve('dropped');
  stopTimer(run);
}
