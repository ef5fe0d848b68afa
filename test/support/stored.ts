/** What a file holds of the steps that were sent, read with SQLite alone. */
import { join } from 'node:path';
import Database from 'libsql';

/** Whole numbers from the first to the last. */
export const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** Every step of a recording, by attempt. */
export function storedIn(directory: string, run = 'sent'): { source: string | null; step: number; loss: number }[] {
  const db = new Database(join(directory, `${run}.sqlite`));
  try {
    const rows = db.prepare('SELECT source, step, loss FROM steps JOIN attempts USING (attempt) ORDER BY attempt, step').all();
    return rows as { source: string | null; step: number; loss: number }[];
  } finally {
    db.close();
  }
}

/** Their numbers. */
export const stepsIn = (directory: string, run?: string): number[] => storedIn(directory, run).map(({ step }) => step);
