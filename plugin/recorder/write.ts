/** Writes a run's recording: attempts, steps and buckets, a batch of reports in one transaction. Reads back only what it needs to
 * go on with an attempt. */
import { MEASURES, RUN_SCALARS } from '../../src/telemetry/catalogue.ts';
import type { Outcome, StepReport } from '../../src/telemetry/report.ts';
import { MEMORY_KINDS, type RunHeader } from '../../src/telemetry/sample.ts';
import type { WarningRecord } from '../../src/telemetry/warning.ts';
import { blob, doubles, fromSql, pack, type SqlBlob, toSql, unpack } from './blobs.ts';
import { addToBuckets, type Bucket, LEVELS, largest } from './buckets.ts';
import { type Db, insert, openForWriting } from './database.ts';
import { makeWay, recordingPath } from './directory.ts';
import { createFolder } from './files.ts';
import { SCALAR_COLUMNS } from './migrations.ts';
import { type AttemptRow, isAlive } from './read.ts';
import { readWarningRows, writeWarnings } from './recordedWarnings.ts';

/** What is kept in memory of the attempt that is written. */
interface AttemptState {
  /** Its number, from 1. */
  attempt: number;
  lastStep: number | null;
  maxCompositeGain: number | null;
  /** The open bucket of each level. */
  open: Bucket[];
}

/** The order of the measures as an attempt keeps it. */
const MEASURE_KEYS = JSON.stringify(MEASURES.map(({ key }) => key));

/** A recording that is being written: the attempt, and what else of it is kept in memory. */
export interface Recording extends AttemptState {
  readonly header: RunHeader;
  readonly path: string;
  /** By what name a sender knows the attempt; null: written by the training process itself. */
  readonly source: string | null;
  readonly db: Db;
  /** Rows of the warnings that are in the file. */
  readonly warnings: Map<WarningRecord, number>;
}

/**
 * Opens or creates `DIR/<run>.sqlite` and starts a new attempt. Two processes may open the same run: each gets an attempt.
 * @param source of what a sender sends: where the newest attempt has this one and the same connections, it goes on
 * @throws if the folder cannot be made, the name is none, or the file is not a recording of a known version
 */
export function openRecording(directory: string, header: RunHeader, time: number, source: string | null = null): Recording {
  const path = recordingPath(directory, header.run);
  createFolder(directory);
  makeWay(directory, header.run);
  const db = openForWriting(path);
  try {
    db.exec('BEGIN IMMEDIATE');
    endVanished(db, time);
    const resumed = source === null ? null : resumeAttempt(db, header, source);
    const state = resumed ?? beginAttempt(db, header, time, source);
    db.exec('COMMIT');
    return { header, path, db, source, ...state, warnings: readWarningRows(db) };
  } catch (error) {
    db.close();
    throw error;
  }
}

function beginAttempt(db: Db, header: RunHeader, time: number, source: string | null): AttemptState {
  const { attempt } = db.prepare('SELECT coalesce(max(attempt), 0) + 1 AS attempt FROM attempts').get() as { attempt: number };
  insert(db, 'attempts', {
    attempt,
    run: header.run,
    pid: process.pid,
    started_at: time,
    streams: header.streams,
    tokens: header.tokens,
    connections: JSON.stringify(header.connections),
    measures: MEASURE_KEYS,
    memory_kinds: JSON.stringify(MEMORY_KINDS),
    source,
  });
  return { attempt, lastStep: null, maxCompositeGain: null, open: [] };
}

/**
 * Goes on with the newest attempt, as a sender does after this process was started anew; null where it is another one, has ended, is
 * written by another process or has other connections.
 */
function resumeAttempt(db: Db, header: RunHeader, source: string): AttemptState | null {
  const row = db.prepare('SELECT * FROM attempts ORDER BY attempt DESC LIMIT 1').get() as AttemptRow | undefined;
  if (row === undefined || row.source !== source || (row.outcome !== null && row.outcome !== 'unknown')) return null;
  if (row.outcome === null && row.pid !== process.pid && isAlive(row.pid)) return null;
  const same = row.streams === header.streams && row.connections === JSON.stringify(header.connections) && row.measures === MEASURE_KEYS;
  if (!same) return null;
  db.prepare('UPDATE attempts SET outcome = NULL, ended_at = NULL, pid = ? WHERE attempt = ?').run(process.pid, row.attempt);
  const layers = header.connections.length;
  const open = Array.from({ length: LEVELS }, (_, i) => newestBucket(db, row.attempt, i + 1, layers)).filter((bucket) => bucket !== null);
  const { attempt, last_step: lastStep } = row;
  return { attempt, lastStep, maxCompositeGain: fromSql(row.max_composite_gain), open };
}

/** Attempts that no process writes any more and that nobody ended: how they ended is not known. */
function endVanished(db: Db, time: number): void {
  const rows = db.prepare('SELECT attempt, pid FROM attempts WHERE outcome IS NULL').all() as { attempt: number; pid: number }[];
  for (const { attempt, pid } of rows) {
    if (!isAlive(pid)) db.prepare("UPDATE attempts SET outcome = 'unknown', ended_at = ? WHERE attempt = ?").run(time, attempt);
  }
}

/**
 * Writes reports in one transaction; when it returns they are committed. A step that is not above the last one starts a
 * new attempt (`recording.attempt` then changes).
 * @param watched the warnings that changed and the state of the detectors (null: as it was)
 * @returns the attempt of each report
 * @throws what SQLite throws (a full disk …): then nothing of the batch is written and the call may be repeated
 */
export function commitReports(
  recording: Recording,
  reports: readonly StepReport[],
  watched: { changed: Iterable<WarningRecord>; state: string | null } = { changed: [], state: null },
): number[] {
  const { db } = recording;
  const { attempt, lastStep, maxCompositeGain, open } = recording;
  let staged: AttemptState = { attempt, lastStep, maxCompositeGain, open };
  let changed = new Map<string, Bucket>();
  const flush = () => {
    for (const bucket of changed.values()) upsertBucket(db, staged.attempt, bucket);
    const values = [staged.lastStep, toSql(staged.maxCompositeGain), staged.attempt];
    db.prepare('UPDATE attempts SET last_step = ?, max_composite_gain = ? WHERE attempt = ?').run(...values);
    changed = new Map();
  };
  const attempts: number[] = [];
  let added = new Map<WarningRecord, number>();
  db.exec('BEGIN IMMEDIATE');
  try {
    for (const report of reports) {
      if (staged.lastStep !== null && report.step <= staged.lastStep) {
        flush();
        db.prepare("UPDATE attempts SET ended_at = ?, outcome = 'unknown' WHERE attempt = ?").run(report.time, staged.attempt);
        staged = beginAttempt(db, recording.header, report.time, recording.source);
      }
      if (staged.lastStep === null) db.prepare('UPDATE attempts SET first_step = ? WHERE attempt = ?').run(report.step, staged.attempt);
      insertStep(db, staged.attempt, report);
      staged.open = addToBuckets(staged.open, report, changed);
      staged.lastStep = report.step;
      if (report.compositeGain !== null) staged.maxCompositeGain = largest(staged.maxCompositeGain, report.compositeGain);
      attempts.push(staged.attempt);
    }
    flush();
    added = writeWarnings(db, recording.warnings, watched.changed, watched.state);
    db.exec('COMMIT');
  } catch (error) {
    if (db.inTransaction) db.exec('ROLLBACK');
    throw error;
  }
  Object.assign(recording, staged);
  for (const [record, id] of added) recording.warnings.set(record, id);
  return attempts;
}

function insertStep(db: Db, attempt: number, report: StepReport): void {
  const { memory, monitor } = report;
  const { packed, blobs } = pack([report.measures, report.mapping]);
  insert(db, 'steps', {
    attempt,
    step: report.step,
    time: Math.round(report.time),
    ...Object.fromEntries(RUN_SCALARS.map((key) => [SCALAR_COLUMNS[key], toSql(report[key])])),
    overhead_seconds: monitor.overheadSeconds,
    samples_dropped: monitor.samplesDropped,
    errors: monitor.errors,
    memory_totals: memory === null ? null : JSON.stringify(memory.totals),
    packed,
    measures: blobs[0],
    mapping: blobs[1],
    nonfinite: blob(report.nonfinite),
    memory: memory === null ? null : blob(memory.connections),
  });
}

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

function upsertBucket(db: Db, attempt: number, bucket: Bucket): void {
  const { packed, blobs } = pack([bucket.measuresMin, bucket.measuresMax]);
  const cells = (Object.keys(BUCKET_COLUMNS) as (keyof Bucket)[]).map((field) => {
    const value = bucket[field];
    return [BUCKET_COLUMNS[field], typeof value === 'number' ? Math.round(value) : value instanceof Float64Array ? blob(value) : null];
  });
  const row = { attempt, ...Object.fromEntries(cells), packed, measures_min: blobs[0], measures_max: blobs[1] };
  insert(db, 'buckets', row, 'INSERT OR REPLACE');
}

type BucketRow = { [K in keyof Bucket]: Bucket[K] extends number ? number : SqlBlob } & { packed: number };

/** @param layers connections of the attempt, whose measures are today's */
function newestBucket(db: Db, attempt: number, level: number, layers: number): Bucket | null {
  const columns = Object.entries(BUCKET_COLUMNS).map(([field, column]) => `${column} AS ${field}`);
  const newest = db.prepare(
    `SELECT ${columns.join(', ')}, packed FROM buckets WHERE attempt = ? AND level = ? ORDER BY bucket DESC LIMIT 1`,
  );
  const row = newest.get(attempt, level) as BucketRow | undefined;
  if (row === undefined) return null;
  const { scalarsMin, scalarsMax, measuresMin, measuresMax, packed, ...numbers } = row;
  const scalars = { scalarsMin: doubles(scalarsMin), scalarsMax: doubles(scalarsMax) };
  const measures = (side: SqlBlob) => unpack(side, packed, MEASURES.length * layers);
  return { ...numbers, ...scalars, measuresMin: measures(measuresMin), measuresMax: measures(measuresMax) };
}

/** Says how the attempt ended and closes the file. */
export function closeRecording(recording: Recording, outcome: Outcome, time: number): void {
  const { db, attempt } = recording;
  try {
    db.prepare('UPDATE attempts SET outcome = ?, ended_at = ? WHERE attempt = ?').run(outcome, time, attempt);
    db.pragma('wal_checkpoint(TRUNCATE)');
  } finally {
    db.close();
  }
}
