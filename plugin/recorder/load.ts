/** Reaches the recorder lazily: where the SQLite binary of libsql cannot load, recording is off and all else runs. */
import type * as Read from './read.ts';
import type * as Series from './series.ts';
import type * as Warnings from './warnings.ts';
import type * as Write from './write.ts';

export type Recorder = typeof Read & typeof Series & typeof Warnings & typeof Write;

/** @throws where recordings can be neither written nor read, saying why */
export async function requireRecorder(): Promise<Recorder> {
  try {
    return {
      ...(await import('./read.ts')),
      ...(await import('./series.ts')),
      ...(await import('./warnings.ts')),
      ...(await import('./write.ts')),
    };
  } catch (error) {
    throw new Error(`recording is off, SQLite (the npm package libsql) could not be loaded: ${(error as Error).message}`);
  }
}

/** @returns null, after saying why, where there is none */
export function loadRecorder(onProblem: (message: string) => void): Promise<Recorder | null> {
  return requireRecorder().catch((error: Error) => {
    onProblem(error.message);
    return null;
  });
}
