/**
 * The one way of the data behind the sources: report → detectors → recorder → sinks (metrics, live stream, notices). Takes reports
 * only: the sources make them of samples (worker, ingest). A report reaches the sinks after its commit (commitQueue.ts), a warning
 * at once. A recording that cannot be written never stops the sinks: it is counted, warned of once, tried again. No server, thread, TF.js.
 */
import type { Refusal } from '../../alerts/detect.ts';
import type { Outcome, StepReport } from '../../src/telemetry/report.ts';
import { NO_COUNTERS, type RunHeader } from '../../src/telemetry/sample.ts';
import type { WarningRecord } from '../../src/telemetry/warning.ts';
import type { Recording } from '../recorder/write.ts';
import { createWarnOnce } from '../warnOnce.ts';
import { type CommitContext, closeCommitQueue, commit, createCommitQueue, enqueueReport } from './commitQueue.ts';
import {
  acknowledgeWarning,
  type ChangedWarning,
  createDetectionState,
  DETECTORS,
  type Detectors,
  detectReport,
  detectStallAt,
} from './detection.ts';
import type { Committed, LiveRun } from './liveRun.ts';
import { emit } from './sinks.ts';

export interface Pipeline extends CommitContext {
  /** By name: those that go on, and those that have ended and are still scraped. */
  readonly live: Map<string, LiveRun>;
  /** Folder of the recordings. */
  readonly directory: string;
  readonly detectors: Detectors;
  /** Gets what the user should know. */
  readonly onProblem: (message: string) => void;
}

/** A pipeline without runs and sinks. */
export function createPipeline(
  options: Pick<Pipeline, 'directory' | 'recorder' | 'now' | 'onProblem'> & { detectors?: Detectors },
): Pipeline {
  return { detectors: DETECTORS, ...options, live: new Map(), sinks: new Set(), warnOnce: createWarnOnce(options.onProblem) };
}

/**
 * Begins a run, or an attempt of one that is recorded. Where no recording can be opened it goes on unrecorded, which is warned of once.
 * @param source name of the attempt where a sender gives one: where the newest recorded attempt has it too, that is resumed
 * @throws Error if a run of this name goes on in this process
 */
export function openRun(pipeline: Pipeline, header: RunHeader, source: string | null = null): LiveRun {
  if (pipeline.live.get(header.run)?.outcome === null) {
    throw new Error(`run ${header.run} is being watched in this process already: give each run a name of its own`);
  }
  const startedAt = pipeline.now();
  const { detectors, recorder } = pipeline;
  let recording: Recording | null = null;
  let errors = 0;
  try {
    recording = recorder?.openRecording(pipeline.directory, header, startedAt, source) ?? null;
  } catch (error) {
    errors++;
    pipeline.warnOnce(`open ${header.run}`, `run ${header.run} is not recorded: ${(error as Error).message}`);
  }
  const recorded = recorder && recording && { warnings: [...recording.warnings.keys()], state: recorder.readDetectorState(recording.db) };
  const run: LiveRun = {
    header,
    startedAt,
    recording,
    recordingProblem: null,
    attempt: recording?.attempt ?? 1,
    outcome: null,
    last: null,
    forecast: [],
    maxCompositeGain: recording?.maxCompositeGain ?? null,
    detection: createDetectionState(detectors, header, recorded, startedAt, (why) => warnOfRefusal(pipeline, header.run, why)),
    monitor: NO_COUNTERS,
    errors,
    dropped: 0,
    queue: createCommitQueue(),
  };
  pipeline.live.set(header.run, run);
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
 * Takes in the next report, whatever its source. Warnings are raised before it returns.
 * @returns resolves when the report is committed, or when it is known that it will not be; never rejects. An answer of 2xx waits for it
 */
export function handleReport(pipeline: Pipeline, run: LiveRun, report: StepReport): Promise<Committed> {
  runDetectors(pipeline, run, (detectors) => detectReport(detectors, run.header, run.detection, report));
  return enqueueReport(pipeline, run, report);
}

/** Has the run stalled? No report shows that. To be called every few seconds. */
export function checkStall(pipeline: Pipeline, run: LiveRun): void {
  const changes = runDetectors(pipeline, run, (detectors) => detectStallAt(detectors, run.header, run.detection, pipeline.now()));
  if (changes > 0) commit(pipeline, run);
}

/** Somebody knows of a warning: recorded at once. The first time stays. */
export function acknowledge(pipeline: Pipeline, run: LiveRun, record: WarningRecord): void {
  if (!acknowledgeWarning(run.detection, record, pipeline.now())) return;
  commit(pipeline, run);
  emit(pipeline, run, (sink) => sink.onWarning?.(run, record, 'acknowledged'));
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

/** Ends a run, once: commits what waits and records the outcome. What still cannot be written is lost, and warned of. */
export function closeRun(pipeline: Pipeline, run: LiveRun, outcome: Outcome): void {
  if (run.outcome !== null) return;
  const name = run.header.run;
  const lost = closeCommitQueue(pipeline, run);
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
