/** An attempt that a sender goes on with after this process was started anew: found again by its source, with what write.ts keeps of it. */
import { MEASURES } from '../../src/telemetry/catalogue.ts';
import type { RunHeader } from '../../src/telemetry/sample.ts';
import { doubles, floats, fromSql, type SqlBlob, type SqlNumber } from './blobs.ts';
import { type Bucket, LEVELS } from './buckets.ts';
import type { Db } from './database.ts';
import { isAlive } from './isAlive.ts';

export interface Written {
  attempt: number;
  lastStep: number | null;
  maxCompositeGain: number | null;
  /** The open bucket of each level. */
  open: Bucket[];
}

interface Row {
  attempt: number;
  pid: number;
  outcome: string | null;
  source: string | null;
  streams: number;
  connections: string;
  measures: string;
  last_step: number | null;
  max_composite_gain: SqlNumber;
}

/** @returns null where the newest attempt is another one, has ended, is written by another process or has other connections */
export function resumeAttempt(db: Db, header: RunHeader, source: string): Written | null {
  const row = db.prepare('SELECT * FROM attempts ORDER BY attempt DESC LIMIT 1').get() as Row | undefined;
  if (row === undefined || row.source !== source || (row.outcome !== null && row.outcome !== 'unknown')) return null;
  if (row.outcome === null && row.pid !== process.pid && isAlive(row.pid)) return null;
  const same =
    row.streams === header.streams &&
    row.connections === JSON.stringify(header.connections) &&
    row.measures === JSON.stringify(MEASURES.map(({ key }) => key));
  if (!same) return null;
  db.prepare('UPDATE attempts SET outcome = NULL, ended_at = NULL, pid = ? WHERE attempt = ?').run(process.pid, row.attempt);
  const open = Array.from({ length: LEVELS }, (_, i) => newestBucket(db, row.attempt, i + 1)).filter((bucket) => bucket !== null);
  const { attempt, last_step: lastStep } = row;
  return { attempt, lastStep, maxCompositeGain: fromSql(row.max_composite_gain), open };
}

interface BucketRow {
  bucket: number;
  first_step: number;
  first_time: number;
  count: number;
  scalars_min: SqlBlob;
  scalars_max: SqlBlob;
  measures_min: SqlBlob;
  measures_max: SqlBlob;
}

function newestBucket(db: Db, attempt: number, level: number): Bucket | null {
  const row = db.prepare('SELECT * FROM buckets WHERE attempt = ? AND level = ? ORDER BY bucket DESC LIMIT 1').get(attempt, level) as
    | BucketRow
    | undefined;
  if (row === undefined) return null;
  return {
    level,
    bucket: row.bucket,
    firstStep: row.first_step,
    firstTime: row.first_time,
    count: row.count,
    scalarsMin: doubles(row.scalars_min),
    scalarsMax: doubles(row.scalars_max),
    measuresMin: floats(row.measures_min),
    measuresMax: floats(row.measures_max),
  };
}
