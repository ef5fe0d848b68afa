/**
 * Runs and their warnings as the HTTP interface shows them, and the acknowledgement of a warning. What goes on in this process is in
 * its memory, all else in the recordings, which other processes may be writing.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { type StepForecast, toWarningAnswer } from '../../src/telemetry/answer.ts';
import type { RunDetail, RunSummary, SeriesAnswer, WarningAnswer } from '../../src/telemetry/api.ts';
import { countActive, type WarningRecord } from '../../src/telemetry/warning.ts';
import { toShortWire } from '../../src/telemetry/wire.ts';
import { FieldError } from '../fieldError.ts';
import { toReadError, toWriteError } from '../fileErrors.ts';
import { recordedForecast } from '../pipeline/detection.ts';
import type { LiveRun } from '../pipeline/liveRun.ts';
import { acknowledge, type Pipeline } from '../pipeline/pipeline.ts';
import { type FoundRecording, findRecording, listRecordings } from '../recorder/directory.ts';
import type { Reader, RecordedStep } from '../recorder/read.ts';
import type { SeriesQuery } from '../recorder/recordedSeries.ts';
import { detail, type RunFacts, summarize } from '../runSummary.ts';
import { numberOf } from '../wholeNumber.ts';

/** A run that goes on in this process; null where it does not. */
function liveRun(pipeline: Pipeline, name: string): LiveRun | null {
  const run = pipeline.live.get(name);
  return run !== undefined && run.outcome === null ? run : null;
}

/** Where the recording of a run lies; null: it has none. An uploaded one is not that of a run of this process that has the same name. */
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

/** `GET /runs`: every run, newest first. A file that cannot be read is passed over, which is said once. */
export async function listSummaries(pipeline: Pipeline): Promise<RunSummary[]> {
  const found = new Map<string, RunSummary>();
  for (const name of listRecordings(pipeline.directory)) {
    await turn(); // there may be thousands, and others ask too
    try {
      const summary = recordedSummary(pipeline, name);
      if (summary !== null) found.set(name, summary);
    } catch (error) {
      // Asked for by name, it is answered with the reason.
      const { status, rule = (error as Error).message } = error as Partial<FieldError>;
      // One that goes on is listed below; the pipeline says what its recording lacks.
      if (status !== 404 && !pipeline.live.has(name)) pipeline.warnOnce(`list ${name}`, `run ${name} is not listed: it ${rule}`);
    }
  }
  for (const run of pipeline.live.values())
    if (!found.has(run.header.run) || run.outcome === null) found.set(run.header.run, summaryOf(run));
  return [...found.values()].sort((a, b) => b.startedAt - a.startedAt || a.run.localeCompare(b.run));
}

/** What is known of the connections of a run that goes on here: its recording has it with the next commit. */
function modelOf(live: LiveRun): Pick<RunDetail, 'streams' | 'kinds' | 'connectionCount' | 'connections' | 'limits' | 'selfTest'> {
  const { streams, kinds, connectionCount, connections, limits, selfTest } = detail(factsOf(live), [], live.selfTest);
  return { streams, kinds, connectionCount, connections, limits, selfTest };
}

/** `GET /runs/RUN`. @throws FieldError 404 where there is no such run */
export function detailOf(pipeline: Pipeline, name: string): RunDetail {
  const live = pipeline.live.get(name);
  if (recordingOf(pipeline, name) !== null) {
    const recorded = readRecording(pipeline, name, (recorder, reader) => recorder.readDetail(reader, live?.outcome === null));
    if (recorded !== null) return live?.outcome === null ? { ...recorded, ...modelOf(live) } : recorded;
  }
  if (live === undefined) throw new FieldError('run', 'must be one of /api/v1/runs', name, 404);
  const { attempt, startedAt, outcome, last } = live;
  return detail(factsOf(live), [{ attempt, startedAt, forkStep: null, lastStep: last?.step ?? null, outcome }], live.selfTest);
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
 * @throws FieldError 404 where the run is not recorded, 500 or 503 where its file cannot be read, saying why; what `read` throws
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
  try {
    const reader = recorder.openReader(found.path, name, found.uploaded);
    try {
      return read(recorder, reader);
    } finally {
      recorder.closeReader(reader);
    }
  } catch (error) {
    throw toReadError(error, found.path, name);
  }
}

/** A run whose warnings are in memory: it goes on here, or has ended here and is not recorded. */
function heldRun(pipeline: Pipeline, name: string): LiveRun | null {
  const run = pipeline.live.get(name);
  return run !== undefined && (run.outcome === null || recordingOf(pipeline, name) === null) ? run : null;
}

/** As far as can be read: another process may have acknowledged some in the file. */
function warningsIn({ recorder }: Pipeline, { recording, detection }: LiveRun): WarningRecord[] {
  try {
    if (recording !== null) recorder?.updateAcknowledged(recording.db, recording.warnings);
  } catch {
    // What is known here is known all the same.
  }
  return detection.warnings;
}

/** A file goes by its own name, whatever the run in it was called. */
const answerOf = (run: string, record: WarningRecord): WarningAnswer => ({ ...toWarningAnswer(record), run });

/** `GET /runs/RUN/warnings`, oldest first. @throws FieldError 404 where there is no such run */
export function warningsOf(pipeline: Pipeline, name: string): WarningAnswer[] {
  const held = heldRun(pipeline, name);
  const records =
    held === null
      ? readRecording(pipeline, name, (recorder, reader) => [...recorder.readWarningRows(reader.db).keys()])
      : warningsIn(pipeline, held);
  return records.map((record) => answerOf(name, record));
}

/**
 * `POST /runs/RUN/warnings/ID/acknowledge`. The first time stays.
 * @param id its number among all of the run, as text
 * @param onNews gets the warning where it was not known before, also where that cannot be recorded yet
 * @returns how it is now; and whether the pipeline has emitted the change, or nothing has changed
 * @throws FieldError 404 where there is no such run or warning, 409 where the recording was uploaded, 503 where it is locked or cannot
 * be written, 507 where the disk is full
 */
export function acknowledgeIn(
  pipeline: Pipeline,
  name: string,
  id: string,
  onNews: (warning: WarningAnswer) => void,
): { answer: WarningAnswer; emitted: boolean } {
  const known = warningsOf(pipeline, name);
  const index = numberOf(id);
  const warning = known[index];
  if (warning === undefined) {
    const rule =
      known.length === 0 ? 'must be that of a warning: this run has none' : `must be a whole number from 0 to ${known.length - 1}`;
    throw new FieldError('id', rule, id, 404);
  }
  const isNews = warning.acknowledgedTime === null;
  const held = heldRun(pipeline, name);
  if (held !== null) {
    const record = held.detection.warnings[index];
    const isKept = acknowledge(pipeline, held, record);
    if (isNews) onNews(warning);
    if (!isKept) {
      throw new FieldError(
        'run',
        `cannot be written now (${held.recordingProblem}): it is noted here, and recorded as soon as it can be`,
        name,
        503,
      );
    }
    return { answer: answerOf(name, record), emitted: true };
  }
  const found = recordingOf(pipeline, name);
  if (found?.uploaded) throw new FieldError('run', 'was uploaded and is only read: nothing can be acknowledged in it', name, 409);
  if (!isNews || found === null) return { answer: warning, emitted: true };
  const record = inFile(pipeline, found.path, index, name);
  if (record === null) return { answer: warning, emitted: true };
  onNews(warning);
  return { answer: answerOf(name, record), emitted: false };
}

function inFile({ recorder, now }: Pipeline, path: string, index: number, name: string): WarningRecord | null {
  try {
    return recorder?.acknowledgeInFile(path, index, now()) ?? null;
  } catch (error) {
    throw toWriteError(toReadError(error, path, name), 'run', 'cannot be changed', name);
  }
}
