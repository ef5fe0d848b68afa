/** Reaches the recorder lazily: where the SQLite binary of libsql cannot load, recording is off and all else runs. */
import type * as Read from './read.ts';
import type * as Series from './series.ts';
import type * as Write from './write.ts';

export type Recorder = typeof Read & typeof Series & typeof Write;

/** @returns null, after saying why, where recordings can be neither written nor read */
export async function loadRecorder(onProblem: (message: string) => void): Promise<Recorder | null> {
  try {
    return { ...(await import('./read.ts')), ...(await import('./series.ts')), ...(await import('./write.ts')) };
  } catch (error) {
    onProblem(`recording is off, SQLite (the npm package libsql) could not be loaded: ${(error as Error).message}`);
    return null;
  }
}
