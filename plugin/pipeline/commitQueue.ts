/**
 * The way of a report into the recording: waits a moment so that many share one commit, is committed, and only then shown to the sinks.
 * A recording that refuses (cannot be opened, a full disk, a lock, a file that was taken away) stops nothing that is shown: reports are
 * shown uncommitted, stay queued, and are tried again at growing intervals until it takes them (keepRecording.ts opens it anew).
 *
 *   enqueueReport ─► waiting ──commit──► committed ─► shown
 *          │           │  ▲ │
 *          │           │  └─┴─ refused: shown at once; the next try after twice the time
 *          │           └─ the run is closed: dropped
 *          └─ too many wait: shown, and dropped
 */
import type { StepReport } from '../../src/telemetry/report.ts';
import { largest } from '../recorder/buckets.ts';
import { backOff } from '../retry.ts';
import { stopTimer } from '../timers.ts';
import { markSaved, stateToSave } from './detection.ts';
import { asOfNow } from './extendRun.ts';
import { isPoison, noteLost, noteRefusal, noteSuccess, type RecordContext, reopen } from './keepRecording.ts';
import type { CommitQueueState, Committed, LiveRun, QueuedReport } from './liveRun.ts';
import { emit, type SinkContext } from './sinks.ts';

/** From a report to its commit. Our choice: half of the 200 ms that the design allows for group commits. */
const COMMIT_DELAY_MS = 100;
/** Between tries while the recording refuses; our choice: a disk that was cleared is noticed within seconds. */
export const MAX_RETRY_DELAY_MS = 5000;
/** Per run. Our choice: 40 minutes at two steps a second. */
const MAX_WAITING_REPORTS = 5000;
/** Of all runs: 5000 reports of 64 connections are some 60 MB. Our choice. */
const MAX_WAITING_BYTES = 256 * 2 ** 20;
/** Of one transaction, so that nobody is kept waiting for long. Our choice: some 20 ms. */
const MAX_COMMIT_REPORTS = 256;
const MAX_COMMIT_BYTES = 2 ** 20;

export interface CommitContext extends RecordContext {
  /** Bytes of reports that wait, of all runs. */
  waitingBytes: number;
}

/** An empty queue. */
export const createCommitQueue = (): CommitQueueState => ({ entries: [], timer: null, delayMs: COMMIT_DELAY_MS });

const bytesOf = ({ measures, mapping, nonfinite }: StepReport): number => measures.byteLength + mapping.byteLength + nonfinite.byteLength;

/**
 * @param shown the sinks are not to have it: they had it before, or it is older than what they have
 * @returns resolves when it is known what became of the report; never rejects
 */
export function enqueueReport(context: CommitContext, run: LiveRun, report: StepReport, shown = false): Promise<Committed> {
  const { queue } = run;
  const bytes = bytesOf(report);
  const isFull = queue.entries.length >= MAX_WAITING_REPORTS || context.waitingBytes + bytes > MAX_WAITING_BYTES;
  if (!context.keeps || context.recorder === null || isFull) {
    showWaiting(context, run);
    if (!shown) showReport(context, run, run.attempt, report);
    if (context.keeps && (run.owner?.isHere ?? true)) run.dropped++; // else a sender has it still
    if (!context.keeps) markSaved(run.detection, null, report.time);
    return Promise.resolve(context.keeps ? 'dropped' : 'unrecorded');
  }
  context.waitingBytes += bytes;
  return new Promise((resolve) => {
    queue.entries.push({ report, connections: run.header.connections, bytes, resolve, shown });
    if (run.recordingProblem !== null) showWaiting(context, run); // what is seen does not wait for it
    commitLater(context, run);
  });
}

/** Has the queue looked at after its delay. */
export function commitLater(context: CommitContext, run: LiveRun): void {
  run.queue.timer ??= setTimeout(() => commit(context, run), run.queue.delayMs);
}

/**
 * Commits what waits, a part at a time, and shows it; on failure shows it all the same and tries again later.
 * @param last the state of the detectors too, however fresh the recorded one is
 * @param isSecond into a file that was begun as the one before was taken away: where that is noticed again, with the next commit
 */
export function commit(context: CommitContext, run: LiveRun, last = false, isSecond = false): void {
  stopTimer(run.queue);
  const { detection, queue } = run;
  const isSaved = detection.unsaved.size === 0 && run.selfTest === (run.recording?.selfTest ?? null);
  if (!context.keeps || (!last && queue.entries.length === 0 && isSaved && run.recordingProblem === null)) return;
  try {
    const recording = reopen(context, run);
    const entries = firstPart(queue.entries);
    const reports = entries.map((entry) => asOfNow(run, entry));
    const time = reports.at(-1)?.time ?? context.now();
    const isAll = entries.length === queue.entries.length;
    const state = isAll ? stateToSave(detection, last ? Number.POSITIVE_INFINITY : time) : null;
    const changed = isAll ? detection.unsaved : [];
    const attempts = context.recorder!.commitReports(recording, reports, { changed, state }, isSecond, run);
    if (!isSecond && !context.recorder!.isInPlace(recording)) {
      noteLost(context, run);
      commit(context, run, last, true); // into a new one
      return;
    }
    run.recordedAttempt = recording.attempt;
    if (isAll) markSaved(detection, state, time);
    noteSuccess(context, run);
    take(context, queue, entries.length);
    queue.delayMs = COMMIT_DELAY_MS;
    entries.forEach(({ shown }, i) => {
      if (!shown) showReport(context, run, attempts[i], reports[i]);
    });
    for (const { resolve } of entries) resolve('committed');
    if (!isAll) queue.timer = setTimeout(() => commit(context, run, last), 0);
  } catch (error) {
    if (isPoison(error)) dropPoison(context, run);
    noteRefusal(context, run, error as Error);
    queue.delayMs = backOff(queue.delayMs, MAX_RETRY_DELAY_MS);
    commitLater(context, run);
    showWaiting(context, run);
  }
}

function firstPart(entries: readonly QueuedReport[]): QueuedReport[] {
  let bytes = 0;
  const end = entries.findIndex((entry, i) => {
    bytes += entry.bytes;
    return i === MAX_COMMIT_REPORTS || (i > 0 && bytes > MAX_COMMIT_BYTES);
  });
  return entries.slice(0, end < 0 ? undefined : end);
}

function take(context: CommitContext, queue: CommitQueueState, count: number): QueuedReport[] {
  const taken = queue.entries.splice(0, count);
  for (const { bytes } of taken) context.waitingBytes -= bytes;
  return taken;
}

/** What can never be written is not to keep back what can: each of the first part by itself, and those that fail go. */
function dropPoison(context: CommitContext, run: LiveRun): void {
  const { queue, recording } = run;
  if (recording === null) return;
  for (const entry of firstPart(queue.entries)) {
    const report = asOfNow(run, entry);
    try {
      const [attempt] = context.recorder!.commitReports(recording, [report], undefined, false, run);
      take(context, queue, 1);
      if (!entry.shown) showReport(context, run, attempt, report);
      entry.resolve('committed');
    } catch (error) {
      if (!isPoison(error)) return;
      take(context, queue, 1);
      if (!entry.shown) showReport(context, run, run.attempt, report);
      run.dropped++;
      entry.resolve('impossible');
    }
  }
}

/** Commits all that waits, now. @returns how many reports the recording refuses: they still wait */
export function commitAll(context: CommitContext, run: LiveRun): number {
  do commit(context, run, true);
  while (run.queue.entries.length > 0 && run.recordingProblem === null && context.keeps);
  stopTimer(run.queue);
  return run.queue.entries.length;
}

/** Gives up what waits. @returns how many reports are lost */
export function dropAll(context: CommitContext, run: LiveRun): number {
  stopTimer(run.queue);
  const dropped = take(context, run.queue, run.queue.entries.length);
  run.dropped += dropped.length;
  for (const { resolve } of dropped) resolve('dropped');
  return dropped.length;
}

function showWaiting(context: CommitContext, run: LiveRun): void {
  for (const entry of run.queue.entries.filter(({ shown }) => !shown)) {
    entry.shown = true;
    showReport(context, run, run.attempt, asOfNow(run, entry));
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
