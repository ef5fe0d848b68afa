/** The rows of the pyramid of buckets (buckets.ts): written with the steps, read to go on with one. */
import { MEASURES } from '../../src/telemetry/catalogue.ts';
import { blob, doubles, pack, type SqlBlob, unpack } from './blobs.ts';
import type { Bucket } from './buckets.ts';
import { type Db, insert } from './database.ts';
import { type RecordedListing, widenBucket } from './recordedListing.ts';

/** Columns by the field of a bucket. Its arrays are BLOBs, those of the measures packed. */
const BUCKET_COLUMNS = {
  level: 'level',
  bucket: 'bucket',
  firstStep: 'first_step',
  firstTime: 'first_time',
  count: 'count',
  scalarsMin: 'scalars_min',
  scalarsMax: 'scalars_max',
  measuresMin: 'measures_min',
  measuresMax: 'measures_max',
} as const satisfies Record<keyof Bucket, string>;

/** Writes a bucket as it is now. */
export function upsertBucket(db: Db, attempt: number, whole: Bucket, { header, bySlot }: RecordedListing): void {
  const bucket = widenBucket(whole, header.connections, bySlot, header.streams);
  const { packed, blobs } = pack([bucket.measuresMin, bucket.measuresMax]);
  const cells = (Object.keys(BUCKET_COLUMNS) as (keyof Bucket)[]).map((field) => {
    const value = bucket[field];
    return [BUCKET_COLUMNS[field], typeof value === 'number' ? Math.round(value) : value instanceof Float64Array ? blob(value) : null];
  });
  const row = { attempt, layers: bySlot.length, ...Object.fromEntries(cells), packed, measures_min: blobs[0], measures_max: blobs[1] };
  insert(db, 'buckets', row, 'INSERT OR REPLACE');
}

type BucketRow = { [K in keyof Bucket]: Bucket[K] extends number ? number : SqlBlob } & { packed: number; layers: number | null };

/**
 * A bucket of an attempt as it is recorded; null: there is none.
 * @param bucket its number; null: the newest of the level
 * @param listing of the attempt, whose measures are today's
 */
export function readBucket(db: Db, attempt: number, level: number, bucket: number | null, listing: RecordedListing): Bucket | null {
  const columns = Object.entries(BUCKET_COLUMNS).map(([field, column]) => `${column} AS ${field}`);
  const which = bucket === null ? '' : 'AND bucket = ?';
  const sql = `SELECT ${columns.join(', ')}, packed, layers FROM buckets WHERE attempt = ? AND level = ? ${which} ORDER BY bucket DESC LIMIT 1`;
  const row = db.prepare(sql).get(attempt, level, ...(bucket === null ? [] : [bucket])) as BucketRow | undefined;
  if (row === undefined) return null;
  const { scalarsMin, scalarsMax, measuresMin, measuresMax, packed, layers: rowLayers, ...numbers } = row;
  const scalars = { scalarsMin: doubles(scalarsMin), scalarsMax: doubles(scalarsMax) };
  const { header, bySlot } = listing;
  const layers = rowLayers ?? bySlot.length;
  const measures = (side: SqlBlob) => unpack(side, packed, MEASURES.length * layers);
  const found = { ...numbers, ...scalars, measuresMin: measures(measuresMin), measuresMax: measures(measuresMax) };
  return widenBucket(found, bySlot.slice(0, layers), header.connections, header.streams);
}
