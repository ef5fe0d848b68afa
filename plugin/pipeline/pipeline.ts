/**
 * The one way of the data behind the sources: report → detectors → recorder → sinks (metrics, live stream, notices). Takes reports
 * only: the sources make them of samples (worker, ingest). A report reaches the sinks after its commit (commitQueue.ts), a warning
 * at once. A recording that cannot be written never stops the sinks: it is counted, warned of once, tried again. No server, thread, TF.js.
 */
import type { Refusal } from '../../alerts/detect.ts';
import type { Outcome, StepReport } from '../../src/telemetry/report.ts';
import { NO_COUNTERS, type RunHeader } from '../../src/telemetry/sample.ts';
import type { SelfTestEntry } from '../../src/telemetry/selfTest.ts';
import type { WarningRecord } from '../../src/telemetry/warning.ts';
import type { AttemptOwner } from '../recorder/attempts.ts';
import { createWarnOnce } from '../warnOnce.ts';
import { type CommitContext, commit, commitAll, commitLater, createCommitQueue, dropAll, enqueueReport } from './commitQueue.ts';
import {
  acknowledgeWarning,
  type ChangedWarning,
  createDetectionState,
  DETECTORS,
  type Detectors,
  detectReport,
  detectStallAt,
} from './detection.ts';
import { asOfNow, extendRun, type OwnHeader } from './extendRun.ts';
import { noteRefusal, openFirst } from './keepRecording.ts';
import type { Committed, LiveRun } from './liveRun.ts';
import { emit } from './sinks.ts';

export interface Pipeline extends CommitContext {
  /** By name: those that go on, and those that have ended and are still scraped. */
  readonly live: Map<string, LiveRun>;
  /** Milliseconds of a clock that never jumps: what is waited for is measured by it. */
  readonly monotonic: () => number;
}

/** A pipeline without runs and sinks. What can be recorded shall be, unless `keeps` says otherwise. */
export function createPipeline(
  options: Pick<Pipeline, 'directory' | 'recorder' | 'now' | 'onProblem'> & Partial<Pick<Pipeline, 'detectors' | 'keeps' | 'monotonic'>>,
): Pipeline {
  return {
    detectors: DETECTORS,
    keeps: options.recorder !== null,
    monotonic: () => performance.now(),
    ...options,
    live: new Map(),
    sinks: new Set(),
    waitingBytes: 0,
    warnOnce: createWarnOnce(options.onProblem),
  };
}

/**
 * Begins a run, or an attempt of one that is recorded. Where no recording can be opened that is warned of, and tried again with each
 * commit.
 * @param given of an attempt that is gone on with, its connections become part of those that are recorded
 * @param owner whose attempt it is: where the newest recorded attempt has the same source, that is resumed
 * @throws Error if a run of this name goes on in this process
 */
export function openRun(pipeline: Pipeline, given: RunHeader, owner: AttemptOwner | null = null): LiveRun {
  if (pipeline.live.get(given.run)?.outcome === null) {
    throw new Error(`run ${given.run} is being watched in this process already: give each run a name of its own`);
  }
  const startedAt = pipeline.now();
  const { detectors, recorder } = pipeline;
  const opened = openFirst(pipeline, { header: given, startedAt, owner });
  const recording = opened instanceof Error ? null : opened;
  const header = recording?.listing.header ?? given;
  const recorded = recorder && recording && { warnings: [...recording.warnings.keys()], state: recorder.readDetectorState(recording.db) };
  const run: LiveRun = {
    header,
    selfTest: recording?.selfTest ?? null,
    startedAt,
    owner,
    recording,
    recordingProblem: null,
    attempt: recording?.attempt ?? 1,
    recordedAttempt: recording?.attempt ?? null,
    outcome: null,
    reportedAt: pipeline.monotonic(),
    newestStep: recording?.lastStep ?? Number.NEGATIVE_INFINITY,
    losses: 0,
    last: null,
    forecast: [],
    maxCompositeGain: recording?.maxCompositeGain ?? null,
    detection: createDetectionState(detectors, header, recorded, startedAt, (why) => warnOfRefusal(pipeline, header.run, why)),
    monitor: NO_COUNTERS,
    errors: 0,
    dropped: 0,
    queue: createCommitQueue(),
  };
  pipeline.live.set(header.run, run);
  if (opened instanceof Error) {
    noteRefusal(pipeline, run, opened);
    commitLater(pipeline, run);
  }
  emit(pipeline, run, (sink) => sink.onOpen?.(run));
  return run;
}

/** Another model of the same name is no problem: its detectors begin anew. */
function warnOfRefusal({ warnOnce }: Pipeline, run: string, why: Refusal): void {
  if (why === 'model') return;
  const reason = why === 'version' ? 'was recorded by another version of gainwatch' : 'is damaged';
  warnOnce(`restore ${run}`, `the detectors of run ${run} begin anew, as what they knew ${reason}; warnings that held have ended`);
}

/**
 * Takes in the next report, whatever its source. Warnings are raised before it returns. Of a run with an owner, a step that is not
 * above those before comes late: it is recorded only, as detectors and sinks have seen it, or what came after it. Of a run that has ended
 * it is dropped.
 * @param own connections of the report, where they are not those of the run: new ones become the run's, and what it lacks was the identity
 * @returns resolves when the report is committed, or when it is known that it will not be; never rejects. An answer of 2xx waits for it
 */
export function handleReport(pipeline: Pipeline, run: LiveRun, of: StepReport, own: OwnHeader = run.header): Promise<Committed> {
  if (run.outcome !== null) return Promise.resolve('dropped'); // it would open the recording again
  extendRun(pipeline, run, own);
  const report = asOfNow(run, { report: of, connections: own.connections });
  if (run.owner !== null && report.step <= run.newestStep) return enqueueReport(pipeline, run, report, true);
  run.newestStep = report.step;
  run.reportedAt = pipeline.monotonic();
  runDetectors(pipeline, run, (detectors) => detectReport(detectors, run.header, run.detection, report));
  return enqueueReport(pipeline, run, report);
}

/** Has the run stalled? No report shows that. To be called every few seconds. */
export function checkStall(pipeline: Pipeline, run: LiveRun): void {
  // By the clock of the reports, on which neither a jump of ours nor a sender's that is slow has a part.
  const now = run.last === null ? pipeline.now() : run.last.time + pipeline.monotonic() - run.reportedAt;
  const changes = runDetectors(pipeline, run, (detectors) => detectStallAt(detectors, run.header, run.detection, now));
  if (changes > 0) commit(pipeline, run);
}

/** Connections with a self-test. Our choice: as many as a run may have. */
const MAX_SELF_TESTS = 8192;

/** What the sender found of its connections; of each the newest counts. Recorded with the next commit, which comes soon. */
export function noteSelfTest(pipeline: Pipeline, run: LiveRun, found: readonly SelfTestEntry[]): void {
  if (run.outcome !== null) return;
  const all = new Map([...(run.selfTest ?? []), ...found].map((entry) => [entry.connection, entry]));
  const selfTest = [...all.values()].slice(0, MAX_SELF_TESTS);
  if (JSON.stringify(selfTest) === JSON.stringify(run.selfTest)) return;
  run.selfTest = selfTest;
  commitLater(pipeline, run);
  emit(pipeline, run, (sink) => sink.onExtend?.(run, run.header));
}

/**
 * Somebody knows of a warning: recorded at once. The first time stays.
 * @returns whether that is in the recording, or nothing shall be; of a run that has ended, which has none any more, that it is noted
 */
export function acknowledge(pipeline: Pipeline, run: LiveRun, record: WarningRecord): boolean {
  if (acknowledgeWarning(run.detection, record, pipeline.now()))
    emit(pipeline, run, (sink) => sink.onWarning?.(run, record, 'acknowledged'));
  if (run.outcome !== null) return true; // a commit would begin another recording, which nobody closes
  if (run.detection.unsaved.has(record)) commitAll(pipeline, run);
  return !run.detection.unsaved.has(record) || !pipeline.keeps;
}

/** A detector that fails costs its warnings, nothing else. @returns how many warnings changed */
function runDetectors(pipeline: Pipeline, run: LiveRun, ask: (detectors: Detectors) => ChangedWarning[]): number {
  let changes: ChangedWarning[];
  try {
    changes = ask(pipeline.detectors);
  } catch (error) {
    run.errors++;
    pipeline.warnOnce(`detect ${run.header.run}`, `the detectors of ${run.header.run} failed: ${(error as Error).message}`);
    return 0;
  }
  for (const { record, what } of changes) emit(pipeline, run, (sink) => sink.onWarning?.(run, record, what));
  return changes.length;
}

/**
 * Commits what waits, and how the run ends, before it is closed.
 * @returns false: the recording refuses, and the run goes on
 */
export function settleRun(pipeline: Pipeline, run: LiveRun, outcome: Outcome): boolean {
  if (!pipeline.keeps) return true;
  if (commitAll(pipeline, run) > 0 || run.recordingProblem !== null || run.recording === null) return false;
  try {
    pipeline.recorder!.recordOutcome(run.recording, outcome, pipeline.now());
    return pipeline.recorder!.isInPlace(run.recording);
  } catch (error) {
    noteRefusal(pipeline, run, error as Error);
    return false;
  }
}

/** Ends a run, once: commits what waits and records the outcome. What still cannot be written is lost, and warned of. */
export function closeRun(pipeline: Pipeline, run: LiveRun, outcome: Outcome): void {
  if (run.outcome !== null) return;
  const name = run.header.run;
  commitAll(pipeline, run);
  const lost = dropAll(pipeline, run);
  if (lost > 0) pipeline.onProblem(`${lost} steps of ${name} could not be recorded`);
  run.outcome = outcome;
  try {
    if (run.recording !== null) pipeline.recorder?.closeRecording(run.recording, outcome, pipeline.now());
  } catch (error) {
    run.errors++;
    pipeline.warnOnce(`close ${name}`, `${name}: the end of the run could not be recorded: ${(error as Error).message}`);
  }
  run.recording = null;
  emit(pipeline, run, (sink) => sink.onClose?.(run));
}

/** After the linger time: only the outcome of a closed run stays in the metrics. */
export function forgetRun(pipeline: Pipeline, run: LiveRun): void {
  emit(pipeline, run, (sink) => sink.onForget?.(run));
}

/** Of a run that was forgotten: it is read from its recording from now on, and what else knows it holds no step of it. */
export function dropRun(pipeline: Pipeline, run: LiveRun): void {
  if (pipeline.live.get(run.header.run) === run) pipeline.live.delete(run.header.run);
  run.last = null;
}
