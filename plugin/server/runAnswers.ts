/** Runs as the HTTP interface shows them: those that this process writes, from memory, and the recordings in the folder. */
import type { StepForecast } from '../../src/telemetry/answer.ts';
import type { RunDetail, RunSummary, SeriesAnswer } from '../../src/telemetry/api.ts';
import { countActive } from '../../src/telemetry/warning.ts';
import { toShortWire } from '../../src/telemetry/wire.ts';
import { FieldError } from '../fieldError.ts';
import { recordedForecast } from '../pipeline/detection.ts';
import type { LiveRun } from '../pipeline/liveRun.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { type FoundRecording, findRecording, listRecordings } from '../recorder/directory.ts';
import type { Reader, RecordedStep } from '../recorder/read.ts';
import type { SeriesQuery } from '../recorder/recordedSeries.ts';
import { detail, type RunFacts, summarize } from '../runSummary.ts';

/** A run that goes on in this process; null where it does not. */
function liveRun(pipeline: Pipeline, name: string): LiveRun | null {
  const run = pipeline.live.get(name);
  return run !== undefined && run.outcome === null ? run : null;
}

/** Where the recording of a run lies; an uploaded one is not that of a run of this process that has the same name. */
export function recordingOf(pipeline: Pipeline, name: string): FoundRecording | null {
  const found = pipeline.recorder === null ? null : findRecording(pipeline.directory, name);
  return found?.uploaded && pipeline.live.has(name) ? null : found;
}

const factsOf = (run: LiveRun): RunFacts => ({
  header: run.header,
  attempt: run.attempt,
  uploaded: false,
  live: run.outcome === null,
  outcome: run.outcome,
  startedAt: run.startedAt,
  last: run.last,
  maxCompositeGain: run.maxCompositeGain,
  activeWarnings: countActive(run.detection.warnings),
});

/** A run that this process writes or has written, as the stream sends it. */
export const summaryOf = (run: LiveRun): RunSummary => summarize(factsOf(run));

/** A recorded run; null where the recording has no attempt yet. @throws FieldError 404 where the run is not recorded */
export const recordedSummary = (pipeline: Pipeline, name: string): RunSummary | null =>
  readRecording(pipeline, name, (recorder, reader) => recorder.readSummary(reader, liveRun(pipeline, name) !== null));

/** `GET /runs`: every run, newest first. A file that is no recording is passed over. */
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

/** `GET /runs/RUN`. @throws FieldError 404 where there is no such run */
export function detailOf(pipeline: Pipeline, name: string): RunDetail {
  const live = pipeline.live.get(name);
  if (recordingOf(pipeline, name) !== null) {
    const recorded = readRecording(pipeline, name, (recorder, reader) => recorder.readDetail(reader, live?.outcome === null));
    if (recorded !== null) return recorded;
  }
  if (live === undefined) throw new FieldError('run', 'must be one of /api/v1/runs', name, 404);
  const { attempt, startedAt, outcome, last } = live;
  return detail(factsOf(live), [{ attempt, startedAt, forkStep: null, lastStep: last?.step ?? null, outcome }]);
}

/** The newest step and its forecast, null where the run has none yet. @throws FieldError 404 where there is no such run */
export function latestOf(pipeline: Pipeline, name: string): (RecordedStep & { forecast: readonly StepForecast[] }) | null {
  const live = liveRun(pipeline, name);
  if (live?.last != null) return { attempt: live.attempt, header: live.header, report: live.last, forecast: live.forecast };
  return readRecording(pipeline, name, (recorder, reader) => {
    const step = recorder.readLatest(reader);
    if (step === null) return null;
    return { ...step, forecast: recordedForecast(step.header, recorder.readDetectorState(reader.db), step.report.step) };
  });
}

/** `GET /runs/RUN/series`, in the digits that are drawn. @throws FieldError on what cannot be asked, 404 where the run is not recorded */
export const seriesOf = (pipeline: Pipeline, name: string, query: SeriesQuery): SeriesAnswer => ({
  run: name,
  ...readRecording(pipeline, name, (recorder, reader) => recorder.readSeries(reader, query, toShortWire)),
});

/**
 * Asks the recording of a run, which is closed after it.
 * @throws FieldError 404 where the run is not recorded; what opening or `read` throws
 */
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
