/**
 * The warnings of a run as the HTTP interface shows them, and their acknowledgement. Those of a run that goes on in this
 * process are in its memory, all others in their recording, which another process may be writing.
 */
import { toWarningAnswer } from '../../src/telemetry/answer.ts';
import type { WarningAnswer } from '../../src/telemetry/api.ts';
import type { WarningRecord } from '../../src/telemetry/warning.ts';
import { FieldError } from '../fieldError.ts';
import type { LiveRun } from '../pipeline/liveRun.ts';
import { acknowledge, type Pipeline } from '../pipeline/pipeline.ts';
import { numberOf } from '../wholeNumber.ts';
import { readRecording, recordingOf } from './runAnswers.ts';

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
 * @returns how it is now, and whether the pipeline has emitted the change, or nothing has changed
 * @throws FieldError 404 where there is no such run or warning, 409 where the recording was uploaded, 503 where it is locked
 */
export function acknowledgeIn(pipeline: Pipeline, name: string, id: string): { answer: WarningAnswer; emitted: boolean } {
  const known = warningsOf(pipeline, name);
  const index = numberOf(id);
  const warning = known[index];
  if (warning === undefined) {
    const rule =
      known.length === 0 ? 'must be that of a warning: this run has none' : `must be a whole number from 0 to ${known.length - 1}`;
    throw new FieldError('id', rule, id, 404);
  }
  const held = heldRun(pipeline, name);
  if (held !== null) {
    const record = held.detection.warnings[index];
    acknowledge(pipeline, held, record);
    return { answer: answerOf(name, record), emitted: true };
  }
  const found = recordingOf(pipeline, name);
  if (found?.uploaded) throw new FieldError('run', 'was uploaded and is only read: nothing can be acknowledged in it', name, 409);
  if (warning.acknowledgedTime !== null || found === null) return { answer: warning, emitted: true };
  const record = inFile(pipeline, found.path, index, name);
  return { answer: record === null ? warning : answerOf(name, record), emitted: false };
}

function inFile({ recorder, now }: Pipeline, path: string, index: number, name: string): WarningRecord | null {
  try {
    return recorder?.acknowledgeInFile(path, index, now()) ?? null;
  } catch (error) {
    if ((error as { code?: string }).code !== 'SQLITE_BUSY') throw error;
    throw new FieldError('run', 'is locked by another process, try again', name, 503);
  }
}
