/** Runs as the HTTP interface tells of them: those that this process writes, from memory, and the recordings in the folder. */
import { runLimits } from '../../alerts/limits.ts';
import type { StepForecast } from '../../src/telemetry/answer.ts';
import type { RunDetail, RunSummary } from '../../src/telemetry/api.ts';
import { MEASURES } from '../../src/telemetry/catalogue.ts';
import { MEMORY_KINDS } from '../../src/telemetry/sample.ts';
import { countActive } from '../../src/telemetry/warning.ts';
import { toShortWire, toWire } from '../../src/telemetry/wire.ts';
import { FieldError } from '../fieldError.ts';
import { recordedForecast } from '../pipeline/detection.ts';
import type { LiveRun } from '../pipeline/liveRun.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { type Found, findRecording, listRecordings } from '../recorder/directory.ts';
import type { Reader, RecordedStep } from '../recorder/read.ts';
import type { SeriesQuery } from '../recorder/series.ts';

/** A run that goes on in this process. */
function liveRun(pipeline: Pipeline, name: string): LiveRun | null {
  const run = pipeline.live.get(name);
  return run !== undefined && run.outcome === null ? run : null;
}

/** Where the recording of a run lies; an uploaded one is not that of a run of this process that has the same name. */
export function recordingOf(pipeline: Pipeline, name: string): Found | null {
  const found = pipeline.recorder === null ? null : findRecording(pipeline.directory, name);
  return found?.uploaded && pipeline.live.has(name) ? null : found;
}

export function summaryOf(run: LiveRun): RunSummary {
  const { header, last } = run;
  const wire = (value: number | null | undefined) => (value == null ? null : toWire(value));
  return {
    run: header.run,
    attempt: run.attempt,
    streams: header.streams,
    kinds: [...new Set(header.connections.map((c) => c.kind))],
    connectionCount: header.connections.length,
    uploaded: false,
    live: run.outcome === null,
    outcome: run.outcome,
    startedAt: run.startedAt,
    lastStep: last?.step ?? null,
    lastTime: last?.time ?? null,
    lastLoss: wire(last?.loss),
    lastCompositeGain: wire(last?.compositeGain),
    maxCompositeGain: wire(run.maxCompositeGain),
    activeWarnings: countActive(run.detection.warnings),
  };
}

/** null where the recording has no attempt yet */
export function recordedSummary(pipeline: Pipeline, name: string): RunSummary | null {
  const summary = readRecording(pipeline, name, (recorder, reader) => recorder.readSummary(reader));
  return summary === null ? null : { ...summary, live: liveRun(pipeline, name) !== null };
}

/** Of every run, newest first. A file that is no recording is passed over. */
export function listSummaries(pipeline: Pipeline): RunSummary[] {
  const found = new Map<string, RunSummary>();
  for (const name of listRecordings(pipeline.directory)) {
    try {
      const summary = recordedSummary(pipeline, name);
      if (summary !== null) found.set(name, summary);
    } catch {
      // Not ours to judge: asked for by name, it is answered with the reason.
    }
  }
  for (const run of pipeline.live.values())
    if (!found.has(run.header.run) || run.outcome === null) found.set(run.header.run, summaryOf(run));
  return [...found.values()].sort((a, b) => b.startedAt - a.startedAt || a.run.localeCompare(b.run));
}

/** @throws FieldError 404 where there is no such run */
export function detailOf(pipeline: Pipeline, name: string): RunDetail {
  const live = pipeline.live.get(name);
  if (recordingOf(pipeline, name) !== null) {
    const detail = readRecording(pipeline, name, (recorder, reader) => recorder.readDetail(reader));
    if (detail !== null) return { ...detail, live: live?.outcome === null };
  }
  if (live === undefined) throw new FieldError('run', 'must be one of /api/v1/runs', name, 404);
  const summary = summaryOf(live);
  const { attempt, startedAt, lastStep, outcome } = summary;
  return {
    ...summary,
    limits: runLimits(live.header),
    tokens: live.header.tokens,
    connections: live.header.connections,
    measures: [...MEASURES],
    memoryKinds: [...MEMORY_KINDS],
    attempts: [{ attempt, startedAt, forkStep: null, lastStep, outcome }],
  };
}

/** The newest step and its forecast, null where the run has none yet. */
export function latestOf(pipeline: Pipeline, name: string): (RecordedStep & { forecast: readonly StepForecast[] }) | null {
  const live = liveRun(pipeline, name);
  if (live?.last != null) return { attempt: live.attempt, header: live.header, report: live.last, forecast: live.forecast };
  return readRecording(pipeline, name, (recorder, reader) => {
    const step = recorder.readLatest(reader);
    if (step === null) return null;
    return { ...step, forecast: recordedForecast(step.header, recorder.readDetectorState(reader.db), step.report.step) };
  });
}

export function seriesOf(pipeline: Pipeline, name: string, query: SeriesQuery) {
  return readRecording(pipeline, name, (recorder, reader) => recorder.readSeries(reader, query, toShortWire));
}

/** @throws FieldError 404 where the run is not recorded */
export function readRecording<T>(
  pipeline: Pipeline,
  name: string,
  read: (recorder: NonNullable<Pipeline['recorder']>, reader: Reader) => T,
): T {
  const { recorder } = pipeline;
  const found = recordingOf(pipeline, name);
  if (recorder === null || found === null) {
    const rule = pipeline.live.has(name) ? 'is not recorded (see the log of its process)' : 'must be one of /api/v1/runs';
    throw new FieldError('run', rule, name, 404);
  }
  const reader = recorder.openReader(found.path, name, found.uploaded);
  try {
    return read(recorder, reader);
  } finally {
    recorder.closeReader(reader);
  }
}
