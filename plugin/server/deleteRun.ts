/** `DELETE /runs/RUN`: takes the recording of a run that has ended from the disk, and the run from the memory of this process. */
import { rmSync } from 'node:fs';
import { FieldError } from '../fieldError.ts';
import { toReadError, toWriteError } from '../fileErrors.ts';
import { forgetRun, type Pipeline } from '../pipeline/pipeline.ts';
import { recordingOf } from './runAnswers.ts';

/** In this order: a log that is left behind would be read into the next file of that name. */
const FILES = ['-wal', '-shm', ''];

/**
 * Deletes a run that has ended, an uploaded one too.
 * @throws FieldError 404 where there is no such run, 409 where it goes on, here or in another process, or cannot be told to have ended,
 * 503 where the folder refuses
 */
export function deleteRun(pipeline: Pipeline, name: string): void {
  const live = pipeline.live.get(name);
  if (live?.outcome === null) throw new FieldError('run', 'must have ended: it goes on here', name, 409);
  const found = recordingOf(pipeline, name);
  if (found === null && live === undefined) throw new FieldError('run', 'must be one of /api/v1/runs', name, 404);
  if (found !== null) {
    if (!found.uploaded) checkEnded(pipeline, found.path, name);
    try {
      for (const beside of FILES) rmSync(found.path + beside, { force: true });
    } catch (error) {
      throw toWriteError(error, 'run', 'cannot be deleted', name);
    }
  }
  if (live === undefined) return;
  forgetRun(pipeline, live);
  pipeline.live.delete(name);
}

/** An uploaded one is written by nobody, whatever stands in it. */
function checkEnded({ recorder }: Pipeline, path: string, name: string): void {
  if (recorder === null) return;
  let open: boolean;
  try {
    const reader = recorder.openReader(path, name);
    try {
      // One of our own number that is not live here is left from a process before this one: in a container all have the same.
      open = recorder.attemptRows(reader).some(({ outcome, pid }) => outcome === null && pid !== process.pid && recorder.isAlive(pid));
    } finally {
      recorder.closeReader(reader);
    }
  } catch (error) {
    const told = toReadError(error, path, name);
    if (told instanceof FieldError && told.status === 500)
      throw new FieldError('run', `cannot be told to have ended: it ${told.rule}`, name, 409);
    throw told;
  }
  if (open) throw new FieldError('run', 'must have ended: another process writes it', name, 409);
}
