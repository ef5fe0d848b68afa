/** What the recording of a run has of its steps, for one request: where it is not open here, it is opened at the first question, once. */
import { FieldError } from '../fieldError.ts';
import type { StepFinder, StoredStep } from '../recorder/sentAttempts.ts';
import type { Ingest, IngestRun } from './ingestRun.ts';

export interface StoredSteps {
  /**
   * A step of an attempt (null: without a name); null: it is not stored.
   * @throws FieldError 503 where the recording cannot be asked
   */
  of(attempt: string | null, step: number): StoredStep | null;
  /** Ends the questions. */
  close(): void;
}

/** To be closed in the same turn of the event loop. */
export function storedStepsOf({ pipeline }: Ingest, { name, live }: IngestRun): StoredSteps {
  const { recorder, keeps, directory } = pipeline;
  let finder: StepFinder | null = null;
  const open = (): StepFinder => {
    if (recorder === null) throw new Error('nothing can be recorded');
    const { recording = null } = live ?? {};
    return recording === null ? recorder.openStepFinder(directory, name) : { find: recorder.stepsIn(recording.db), close: () => {} };
  };
  return {
    of: (attempt, step) => {
      if (!keeps) return null;
      try {
        finder ??= open();
        return finder.find(attempt ?? '', step);
      } catch {
        throw new FieldError('step', 'cannot be looked up now, as the recording refuses: send it again', step, 503);
      }
    },
    close: () => finder?.close(),
  };
}
