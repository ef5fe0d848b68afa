/** Reaches the recorder lazily: where the SQLite binary of libsql cannot load, recording is off and all else runs. */
import type * as Place from './inPlace.ts';
import type * as Read from './read.ts';
import type * as Series from './recordedSeries.ts';
import type * as Warnings from './recordedWarnings.ts';
import type * as Remove from './removeRecordings.ts';
import type * as Sent from './sentAttempts.ts';
import type * as Write from './write.ts';

export type Recorder = typeof Place & typeof Read & typeof Remove & typeof Sent & typeof Series & typeof Warnings & typeof Write;

/** The recorder, its functions in one object. @throws Error where recordings can be neither written nor read, saying why */
export async function requireRecorder(): Promise<Recorder> {
  try {
    (await import('./database.ts')).startSqlite();
    return {
      ...(await import('./inPlace.ts')),
      ...(await import('./read.ts')),
      ...(await import('./removeRecordings.ts')),
      ...(await import('./recordedSeries.ts')),
      ...(await import('./recordedWarnings.ts')),
      ...(await import('./sentAttempts.ts')),
      ...(await import('./write.ts')),
    };
  } catch (error) {
    throw new Error(`recording is off, SQLite (the npm package libsql) could not be loaded: ${(error as Error).message}`);
  }
}

/** The recorder; null, after saying why, where it cannot be loaded. */
export function loadRecorder(onProblem: (message: string) => void): Promise<Recorder | null> {
  return requireRecorder().catch((error: Error) => {
    onProblem(error.message);
    return null;
  });
}
