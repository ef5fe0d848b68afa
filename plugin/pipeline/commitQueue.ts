/**
 * The way of a report into the recording: waits a moment so that many share one commit, is committed, and only then shown to the sinks.
 * A disk that refuses stops nothing that is shown: reports are shown uncommitted, stay queued, and are tried again at growing intervals.
 *
 *   enqueueReport ─► waiting ──commit──► committed ─► shown
 *                     │  ▲ │
 *                     │  └─┴─ refused: shown at once; the next try after twice the time
 *                     └─ too many wait, or the run is closed: dropped, and counted
 */
import type { StepReport } from '../../src/telemetry/report.ts';
import { largest } from '../recorder/buckets.ts';
import type { Recorder } from '../recorder/loadRecorder.ts';
import { backOff } from '../retry.ts';
import { stopTimer } from '../timers.ts';
import { markSaved, stateToSave } from './detection.ts';
import type { CommitQueueState, Committed, LiveRun } from './liveRun.ts';
import { emit, type SinkContext } from './sinks.ts';

/** From a report to its commit. Our choice: half of the 200 ms that the design allows for group commits. */
const COMMIT_DELAY_MS = 100;
/** Between tries while the disk refuses; our choice: a disk that was cleared is noticed within seconds. */
const MAX_RETRY_DELAY_MS = 5000;
/** Per run. Our choice: 40 minutes at two steps a second, some 60 MB for 64 connections; then the oldest are dropped and counted. */
const MAX_WAITING_REPORTS = 5000;

/** The part of a pipeline that commits need. */
export interface CommitContext extends SinkContext {
  /** null: nothing is recorded. */
  readonly recorder: Recorder | null;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** An empty queue. */
export const createCommitQueue = (): CommitQueueState => ({ entries: [], timer: null, delayMs: COMMIT_DELAY_MS });

/** @returns resolves when it is known what became of the report; never rejects */
export function enqueueReport(context: CommitContext, run: LiveRun, report: StepReport): Promise<Committed> {
  const { queue } = run;
  if (run.recording === null) {
    showReport(context, run, run.attempt, report);
    markSaved(run.detection, null, report.time);
    return Promise.resolve('unrecorded');
  }
  return new Promise((resolve) => {
    queue.entries.push({ report, resolve, shown: false });
    if (queue.entries.length > MAX_WAITING_REPORTS) drop(run, 1);
    if (queue.delayMs > COMMIT_DELAY_MS) showWaiting(context, run); // the disk refuses: what is seen does not wait for it
    queue.timer ??= setTimeout(() => commit(context, run), queue.delayMs);
  });
}

/**
 * Commits what waits and shows it; on failure shows it all the same and tries again later.
 * @param last the state of the detectors too, however fresh the recorded one is
 */
export function commit(context: CommitContext, run: LiveRun, last = false): void {
  stopTimer(run.queue);
  const { detection, queue, recording } = run;
  const { entries } = queue;
  const { recorder } = context;
  if (recording === null || recorder === null || (!last && entries.length === 0 && detection.unsaved.size === 0)) return;
  const reports = entries.map((entry) => entry.report);
  const time = reports.at(-1)?.time ?? context.now();
  try {
    const state = stateToSave(detection, last ? Number.POSITIVE_INFINITY : time);
    const attempts = recorder.commitReports(recording, reports, { changed: detection.unsaved, state });
    markSaved(detection, state, time);
    queue.entries = [];
    queue.delayMs = COMMIT_DELAY_MS;
    entries.forEach(({ report, shown }, i) => {
      if (!shown) showReport(context, run, attempts[i], report);
    });
    for (const { resolve } of entries) resolve('committed');
  } catch (error) {
    run.errors++;
    context.warnOnce(`commit ${run.header.run}`, `${recording.path} could not be written, trying again: ${(error as Error).message}`);
    queue.delayMs = backOff(queue.delayMs, MAX_RETRY_DELAY_MS);
    queue.timer = setTimeout(() => commit(context, run), queue.delayMs);
    showWaiting(context, run);
  }
}

/** Tries a last time to commit what waits, and drops the rest. @returns how many reports are lost */
export function closeCommitQueue(context: CommitContext, run: LiveRun): number {
  commit(context, run, true);
  stopTimer(run.queue);
  return drop(run, run.queue.entries.length);
}

function drop(run: LiveRun, count: number): number {
  run.dropped += count;
  for (const { resolve } of run.queue.entries.splice(0, count)) resolve('dropped');
  return count;
}

function showWaiting(context: CommitContext, run: LiveRun): void {
  for (const entry of run.queue.entries.filter(({ shown }) => !shown)) {
    entry.shown = true;
    showReport(context, run, run.attempt, entry.report);
  }
}

function showReport(context: SinkContext, run: LiveRun, attempt: number, report: StepReport): void {
  const isNewAttempt = attempt !== run.attempt;
  run.attempt = attempt;
  if (isNewAttempt) run.maxCompositeGain = null;
  if (report.compositeGain !== null) run.maxCompositeGain = largest(run.maxCompositeGain, report.compositeGain);
  run.last = report;
  run.forecast = run.detection.detectors.step === report.step ? run.detection.detectors.forecast : [];
  run.monitor = report.monitor;
  if (isNewAttempt) emit(context, run, (sink) => sink.onOpen?.(run));
  emit(context, run, (sink) => sink.onStep?.(run, report));
}
