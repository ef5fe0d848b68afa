/**
 * The one way of the data behind the probe: sample → analyse → detectors → recorder → sinks (metrics, live stream, notices).
 * Reports are committed in groups and reach the sinks after their commit; a warning reaches them at once. A recording that cannot be written never stops
 * the sinks: it is counted, said once, and tried again. No server, no thread, no TF.js here.
 */
import { analyse } from '../src/telemetry/analyse.ts';
import type { StepForecast } from '../src/telemetry/answer.ts';
import type { Outcome, StepReport } from '../src/telemetry/report.ts';
import type { MonitorCounters, RunHeader, StepSample } from '../src/telemetry/sample.ts';
import type { WarningRecord } from '../src/telemetry/warning.ts';
import {
  acknowledgeWarning,
  type Change,
  createWatch,
  DETECTORS,
  type Detectors,
  inspectClock,
  inspectReport,
  markSaved,
  stateToSave,
  type WarningChange,
  type WatchState,
} from './detection.ts';
import { largest } from './recorder/buckets.ts';
import type { Recorder } from './recorder/loadRecorder.ts';
import type { Recording } from './recorder/write.ts';

/** Longest time between a report and its commit, ms. */
const COMMIT_AFTER = 100;
const RETRY_AT_MOST = 5000;
/** Reports that wait for a disk that refuses them, per run; then the oldest are given up and counted. */
const WAITING_AT_MOST = 5000;

/** A run that this process writes. Everything that a sink may want to know of it. */
export interface LiveRun {
  readonly header: RunHeader;
  readonly startedAt: number;
  /** null: not recorded. */
  recording: Recording | null;
  attempt: number;
  /** null while it goes on. */
  outcome: Outcome | null;
  last: StepReport | null;
  /** Of `last`; empty where the detectors did not see it, or have gone on since. */
  forecast: readonly StepForecast[];
  maxCompositeGain: number | null;
  /** Its detectors and warnings. */
  readonly watch: WatchState;
  /** What the training thread counted, as last heard of. */
  monitor: MonitorCounters;
  /** Errors and losses on this side of the thread boundary. */
  errors: number;
  dropped: number;
  waiting: StepReport[];
  /** How many of `waiting` have reached the sinks although they are not committed. */
  shown: number;
  timer: NodeJS.Timeout | null;
  retryAfter: number;
}

/** Hears what it has a function for. */
export interface Sink {
  opened?(run: LiveRun): void;
  step?(run: LiveRun, attempt: number, report: StepReport): void;
  /** The report will not be lost: it is committed, or nothing is recorded. */
  kept?(run: LiveRun, report: StepReport): void;
  /** A warning was raised, has ended, or somebody said that it is known. */
  warned?(run: LiveRun, record: WarningRecord, what: WarningChange): void;
  closed?(run: LiveRun): void;
  /** Its metrics go, except for the outcome. */
  gone?(run: LiveRun): void;
}

export interface Pipeline {
  readonly live: Map<string, LiveRun>;
  readonly sinks: Set<Sink>;
  readonly directory: string;
  readonly recorder: Recorder | null;
  readonly detectors: Detectors;
  readonly now: () => number;
  /** Told once per kind of problem and run. */
  readonly onProblem: (message: string) => void;
  readonly said: Set<string>;
}

export function createPipeline(
  options: Pick<Pipeline, 'directory' | 'recorder' | 'now' | 'onProblem'> & { detectors?: Detectors },
): Pipeline {
  return { detectors: DETECTORS, ...options, live: new Map(), sinks: new Set(), said: new Set() };
}

function sayOnce(pipeline: Pipeline, key: string, message: string): void {
  if (pipeline.said.has(key)) return;
  pipeline.said.add(key);
  pipeline.onProblem(message);
}

/** A sink that fails is counted and said, and disturbs no other. */
function tell(pipeline: Pipeline, run: LiveRun, act: (sink: Sink) => void): void {
  for (const sink of pipeline.sinks) {
    try {
      act(sink);
    } catch (error) {
      run.errors++;
      sayOnce(pipeline, 'sink', `a step could not be shown: ${(error as Error).message}`);
    }
  }
}

/**
 * @param source name of the attempt where a sender gives one: it is gone on with
 * @throws if a run of this name goes on in this process
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
    sayOnce(pipeline, `open ${header.run}`, `run ${header.run} is not recorded: ${(error as Error).message}`);
  }
  const recorded =
    recorder === null || recording === null
      ? null
      : { warnings: [...recording.warnings.keys()], state: recorder.readDetectorState(recording.db) };
  const run: LiveRun = {
    header,
    startedAt,
    recording,
    attempt: recording?.attempt ?? 1,
    outcome: null,
    last: null,
    forecast: [],
    maxCompositeGain: recording?.maxCompositeGain ?? null,
    watch: createWatch(detectors, header, recorded, startedAt),
    monitor: { overheadSeconds: 0, samplesDropped: 0, errors: 0 },
    errors,
    dropped: 0,
    waiting: [],
    shown: 0,
    timer: null,
    retryAfter: COMMIT_AFTER,
  };
  pipeline.live.set(header.run, run);
  tell(pipeline, run, (sink) => sink.opened?.(run));
  return run;
}

export function takeSample(pipeline: Pipeline, run: LiveRun, sample: StepSample): void {
  let report: StepReport;
  try {
    report = analyse(run.header, sample);
  } catch (error) {
    run.errors++;
    sayOnce(
      pipeline,
      `analyse ${run.header.run}`,
      `step ${sample.step} of ${run.header.run} could not be analysed: ${(error as Error).message}`,
    );
    return;
  }
  takeReport(pipeline, run, report);
}

/** Where measures enter that are not computed here (replay). */
export function takeReport(pipeline: Pipeline, run: LiveRun, report: StepReport): void {
  warn(pipeline, run, (detectors) => inspectReport(detectors, run.header, run.watch, report));
  run.waiting.push(report);
  if (run.recording === null) {
    show(pipeline, run);
    markSaved(run.watch, null, report.time);
    tell(pipeline, run, (sink) => sink.kept?.(run, report));
    run.waiting = [];
    run.shown = 0;
    return;
  }
  if (run.waiting.length > WAITING_AT_MOST) {
    run.waiting.shift();
    run.shown = Math.max(0, run.shown - 1);
    run.dropped++;
  }
  if (run.retryAfter > COMMIT_AFTER) show(pipeline, run); // the disk refuses: what is seen does not wait for it
  run.timer ??= setTimeout(() => commit(pipeline, run), run.retryAfter);
}

/** To be called now and then, as a run that stands still sends no report. */
export function takeTime(pipeline: Pipeline, run: LiveRun): void {
  const changes = warn(pipeline, run, (detectors) => inspectClock(detectors, run.header, run.watch, pipeline.now()));
  if (changes > 0) commit(pipeline, run);
}

/** Recorded at once. The first time stays. */
export function acknowledge(pipeline: Pipeline, run: LiveRun, record: WarningRecord): void {
  if (!acknowledgeWarning(run.watch, record, pipeline.now())) return;
  commit(pipeline, run);
  tell(pipeline, run, (sink) => sink.warned?.(run, record, 'acknowledged'));
}

/** A detector that fails costs its warnings, nothing else. @returns how many warnings changed */
function warn(pipeline: Pipeline, run: LiveRun, inspect: (detectors: Detectors) => Change[]): number {
  let changes: Change[];
  try {
    changes = inspect(pipeline.detectors);
  } catch (error) {
    run.errors++;
    sayOnce(pipeline, `detect ${run.header.run}`, `the detectors of ${run.header.run} failed: ${(error as Error).message}`);
    return 0;
  }
  for (const { record, what } of changes) tell(pipeline, run, (sink) => sink.warned?.(run, record, what));
  return changes.length;
}

/**
 * Commits what waits and shows it; on failure shows it all the same and tries again later.
 * @param last the state of the detectors too, however fresh the recorded one is
 */
function commit(pipeline: Pipeline, run: LiveRun, last = false): void {
  if (run.timer !== null) clearTimeout(run.timer);
  run.timer = null;
  const { watch, waiting: reports } = run;
  if (run.recording === null || pipeline.recorder === null || (!last && reports.length === 0 && watch.unsaved.size === 0)) return;
  const time = reports.at(-1)?.time ?? pipeline.now();
  try {
    const state = stateToSave(watch, last ? Number.POSITIVE_INFINITY : time);
    const attempts = pipeline.recorder.commitReports(run.recording, reports, { changed: watch.unsaved, state });
    markSaved(watch, state, time);
    const from = run.shown;
    run.waiting = [];
    run.shown = 0;
    run.retryAfter = COMMIT_AFTER;
    for (let i = from; i < reports.length; i++) showOne(pipeline, run, attempts[i], reports[i]);
    for (const report of reports) tell(pipeline, run, (sink) => sink.kept?.(run, report));
  } catch (error) {
    run.errors++;
    sayOnce(pipeline, `commit ${run.header.run}`, `${run.recording.path} could not be written, trying again: ${(error as Error).message}`);
    run.retryAfter = Math.min(RETRY_AT_MOST, run.retryAfter * 2);
    run.timer = setTimeout(() => commit(pipeline, run), run.retryAfter);
    show(pipeline, run);
  }
}

function show(pipeline: Pipeline, run: LiveRun): void {
  while (run.shown < run.waiting.length) showOne(pipeline, run, run.attempt, run.waiting[run.shown++]);
}

function showOne(pipeline: Pipeline, run: LiveRun, attempt: number, report: StepReport): void {
  const fresh = attempt !== run.attempt;
  run.attempt = attempt;
  if (fresh) run.maxCompositeGain = null;
  if (report.compositeGain !== null) run.maxCompositeGain = largest(run.maxCompositeGain, report.compositeGain);
  run.last = report;
  run.forecast = run.watch.detectors.step === report.step ? run.watch.detectors.forecast : [];
  run.monitor = report.monitor;
  if (fresh) tell(pipeline, run, (sink) => sink.opened?.(run));
  tell(pipeline, run, (sink) => sink.step?.(run, attempt, report));
}

/** Commits the rest and says how the run ended; what still cannot be written is lost, and said. */
export function closeRun(pipeline: Pipeline, run: LiveRun, outcome: Outcome): void {
  if (run.outcome !== null) return;
  commit(pipeline, run, true);
  if (run.timer !== null) clearTimeout(run.timer);
  run.timer = null;
  if (run.waiting.length > 0) {
    run.dropped += run.waiting.length;
    pipeline.onProblem(`${run.waiting.length} steps of ${run.header.run} could not be recorded`);
  }
  run.outcome = outcome;
  try {
    if (run.recording !== null) pipeline.recorder?.closeRecording(run.recording, outcome, pipeline.now());
  } catch (error) {
    run.errors++;
    sayOnce(
      pipeline,
      `close ${run.header.run}`,
      `${run.header.run}: the end of the run could not be recorded: ${(error as Error).message}`,
    );
  }
  run.recording = null;
  tell(pipeline, run, (sink) => sink.closed?.(run));
}

/** After the linger time: only the outcome of a closed run stays in the metrics. */
export function forgetRun(pipeline: Pipeline, run: LiveRun): void {
  tell(pipeline, run, (sink) => sink.gone?.(run));
}
