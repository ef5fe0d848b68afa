/** `DELETE /runs/RUN`: takes the recording of a run that has ended from the disk, and the run from the memory of this process. */
import { FieldError } from '../fieldError.ts';
import { toReadError, toWriteError } from '../fileErrors.ts';
import type { Ingest } from '../ingest/ingestRun.ts';
import { forget } from '../ingest/lifecycle.ts';
import { forgetRun } from '../pipeline/pipeline.ts';
import type { FoundRecording } from '../recorder/directory.ts';
import type { Recorder } from '../recorder/loadRecorder.ts';
import { recordingOf } from './runAnswers.ts';

/**
 * Deletes a run that has ended, an uploaded one too.
 * @throws FieldError 404 where there is no such run, 409 where it goes on, here or in another process, or cannot be told to have ended,
 * 503 where its file is in use or the folder refuses
 */
export function deleteRun(ingest: Ingest, name: string): void {
  const { pipeline, runs } = ingest;
  const live = pipeline.live.get(name);
  const sent = runs.get(name);
  const goesOn = sent !== undefined && sent.endedAt === null && sent.ranks.size > 0;
  if (live?.outcome === null || goesOn) throw new FieldError('run', 'must have ended: it goes on here', name, 409);
  const found = recordingOf(pipeline, name);
  if (found === null && live === undefined) throw new FieldError('run', 'must be one of /api/v1/runs', name, 404);
  if (found !== null && pipeline.recorder !== null) deleteFiles(pipeline.recorder, found, name);
  if (sent !== undefined) forget(ingest, sent);
  else if (live !== undefined) forgetRun(pipeline, live);
  pipeline.live.delete(name);
}

function deleteFiles(recorder: Recorder, { path, uploaded }: FoundRecording, name: string): void {
  // One of our own number that is not live here is left from a process before this one: in a container all have the same.
  const isOver = (writers: readonly number[]) => !writers.some((pid) => pid !== process.pid && recorder.isAlive(pid));
  try {
    // An uploaded one is written by nobody, whatever stands in it.
    if (uploaded) recorder.removeFiles(path);
    else if (!recorder.removeRecording(path, isOver)) throw new FieldError('run', 'must have ended: another process writes it', name, 409);
  } catch (error) {
    const told = toReadError(toWriteError(error, 'run', 'cannot be deleted', name), path, name);
    if (!(told instanceof FieldError) || told.status !== 500) throw told;
    throw new FieldError('run', `cannot be told to have ended: it ${told.rule}`, name, 409);
  }
}
