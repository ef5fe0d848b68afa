/** Writes a run's recording: attempts, steps and buckets, a batch of reports in one transaction. Reads nothing back. */
import { mkdirSync } from 'node:fs';
import { MEASURES } from '../../src/telemetry/catalogue.ts';
import type { Outcome, StepReport } from '../../src/telemetry/report.ts';
import { MEMORY_KINDS, type RunHeader } from '../../src/telemetry/sample.ts';
import type { WarningRecord } from '../../src/telemetry/warning.ts';
import { blob, toSql } from './blobs.ts';
import { addToBuckets, type Bucket, largest } from './buckets.ts';
import { type Db, openForWriting } from './database.ts';
import { makeWay, recordingPath } from './directory.ts';
import { isAlive } from './isAlive.ts';
import { readWarningRows, writeWarnings } from './recordedWarnings.ts';
import { resumeAttempt, type Written } from './resume.ts';

export interface Recording {
  readonly header: RunHeader;
  readonly path: string;
  /** By what name a sender knows the attempt; null: written by the training process itself. */
  readonly source: string | null;
  /** Number of the attempt that is written now, from 1. */
  attempt: number;
  lastStep: number | null;
  maxCompositeGain: number | null;
  readonly db: Db;
  open: Bucket[];
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
  mkdirSync(directory, { recursive: true });
  makeWay(directory, header.run);
  const db = openForWriting(path);
  try {
    db.exec('BEGIN IMMEDIATE');
    endVanished(db, time);
    const resumed = source === null ? null : resumeAttempt(db, header, source);
    const written: Written = resumed ?? {
      attempt: insertAttempt(db, header, time, source),
      lastStep: null,
      maxCompositeGain: null,
      open: [],
    };
    db.exec('COMMIT');
    return { header, path, db, source, ...written, warnings: readWarningRows(db) };
  } catch (error) {
    db.close();
    throw error;
  }
}

function insertAttempt(db: Db, header: RunHeader, time: number, source: string | null): number {
  const { attempt } = db.prepare('SELECT coalesce(max(attempt), 0) + 1 AS attempt FROM attempts').get() as { attempt: number };
  db.prepare(
    `INSERT INTO attempts (attempt, run, pid, started_at, streams, tokens, connections, measures, memory_kinds, source)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  ).run(
    attempt,
    header.run,
    process.pid,
    time,
    header.streams,
    header.tokens,
    JSON.stringify(header.connections),
    JSON.stringify(MEASURES.map((m) => m.key)),
    JSON.stringify(MEMORY_KINDS),
    source,
  );
  return attempt;
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
  const staged = { attempt: recording.attempt, lastStep: recording.lastStep, max: recording.maxCompositeGain, open: recording.open };
  let changed = new Map<string, Bucket>();
  const flush = () => {
    for (const bucket of changed.values()) upsertBucket(db, staged.attempt, bucket);
    const maxGain = staged.max === null ? null : toSql(staged.max);
    db.prepare('UPDATE attempts SET last_step = ?, max_composite_gain = ? WHERE attempt = ?').run(staged.lastStep, maxGain, staged.attempt);
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
        staged.attempt = insertAttempt(db, recording.header, report.time, recording.source);
        staged.lastStep = null;
        staged.max = null;
        staged.open = [];
      }
      if (staged.lastStep === null) db.prepare('UPDATE attempts SET first_step = ? WHERE attempt = ?').run(report.step, staged.attempt);
      insertStep(db, staged.attempt, report);
      staged.open = addToBuckets(staged.open, report, changed);
      staged.lastStep = report.step;
      if (report.compositeGain !== null) staged.max = largest(staged.max, report.compositeGain);
      attempts.push(staged.attempt);
    }
    flush();
    added = writeWarnings(db, recording.warnings, watched.changed, watched.state);
    db.exec('COMMIT');
  } catch (error) {
    if (db.inTransaction) db.exec('ROLLBACK');
    throw error;
  }
  recording.attempt = staged.attempt;
  recording.lastStep = staged.lastStep;
  recording.maxCompositeGain = staged.max;
  recording.open = staged.open;
  for (const [record, id] of added) recording.warnings.set(record, id);
  return attempts;
}

function insertStep(db: Db, attempt: number, r: StepReport): void {
  db.prepare(
    `INSERT INTO steps (attempt, step, time, step_seconds, loss, gradient_norm, learning_rate, composite_gain, overhead_seconds,
       samples_dropped, errors, memory_totals, measures, mapping, nonfinite, memory)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  ).run(
    attempt,
    r.step,
    Math.round(r.time),
    toSql(r.stepSeconds),
    toSql(r.loss),
    toSql(r.gradientNorm),
    toSql(r.learningRate),
    toSql(r.compositeGain),
    r.monitor.overheadSeconds,
    r.monitor.samplesDropped,
    r.monitor.errors,
    r.memory === null ? null : JSON.stringify(r.memory.totals),
    blob(r.measures),
    blob(r.mapping),
    blob(r.nonfinite),
    r.memory === null ? null : blob(r.memory.connections),
  );
}

function upsertBucket(db: Db, attempt: number, b: Bucket): void {
  db.prepare('INSERT OR REPLACE INTO buckets VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)').run(
    attempt,
    b.level,
    b.bucket,
    b.firstStep,
    Math.round(b.firstTime),
    b.count,
    blob(b.scalarsMin),
    blob(b.scalarsMax),
    blob(b.measuresMin),
    blob(b.measuresMax),
  );
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
