/** An attempt that a sender goes on with after this process was started anew: found again by its source, with what write.ts keeps of it. */
import { MEASURES } from '../../src/telemetry/catalogue.ts';
import type { RunHeader } from '../../src/telemetry/sample.ts';
import { doubles, floats, fromSql, type SqlBlob } from './blobs.ts';
import { type Bucket, LEVELS } from './buckets.ts';
import type { Db } from './database.ts';
import { isAlive } from './isAlive.ts';
import type { AttemptRow } from './read.ts';

/** What is kept in memory of the attempt that is written. */
export interface AttemptState {
  /** Its number, from 1. */
  attempt: number;
  lastStep: number | null;
  maxCompositeGain: number | null;
  /** The open bucket of each level. */
  open: Bucket[];
}

/** The order of the measures as an attempt keeps it. */
export const MEASURE_KEYS = JSON.stringify(MEASURES.map(({ key }) => key));

/** Goes on with the newest attempt; null where it is another one, has ended, is written by another process or has other connections. */
export function resumeAttempt(db: Db, header: RunHeader, source: string): AttemptState | null {
  const row = db.prepare('SELECT * FROM attempts ORDER BY attempt DESC LIMIT 1').get() as AttemptRow | undefined;
  if (row === undefined || row.source !== source || (row.outcome !== null && row.outcome !== 'unknown')) return null;
  if (row.outcome === null && row.pid !== process.pid && isAlive(row.pid)) return null;
  const same = row.streams === header.streams && row.connections === JSON.stringify(header.connections) && row.measures === MEASURE_KEYS;
  if (!same) return null;
  db.prepare('UPDATE attempts SET outcome = NULL, ended_at = NULL, pid = ? WHERE attempt = ?').run(process.pid, row.attempt);
  const open = Array.from({ length: LEVELS }, (_, i) => newestBucket(db, row.attempt, i + 1)).filter((bucket) => bucket !== null);
  const { attempt, last_step: lastStep } = row;
  return { attempt, lastStep, maxCompositeGain: fromSql(row.max_composite_gain), open };
}

/** The row of a bucket: its arrays are BLOBs. */
type BucketRow = { [K in keyof Bucket]: Bucket[K] extends number ? number : SqlBlob };

function newestBucket(db: Db, attempt: number, level: number): Bucket | null {
  const columns = `level, bucket, first_step AS firstStep, first_time AS firstTime, count, scalars_min AS scalarsMin,
    scalars_max AS scalarsMax, measures_min AS measuresMin, measures_max AS measuresMax`;
  const newest = db.prepare(`SELECT ${columns} FROM buckets WHERE attempt = ? AND level = ? ORDER BY bucket DESC LIMIT 1`);
  const row = newest.get(attempt, level) as BucketRow | undefined;
  if (row === undefined) return null;
  const { scalarsMin, scalarsMax, measuresMin, measuresMax, ...numbers } = row;
  const scalars = { scalarsMin: doubles(scalarsMin), scalarsMax: doubles(scalarsMax) };
  return { ...numbers, ...scalars, measuresMin: floats(measuresMin), measuresMax: floats(measuresMax) };
}
