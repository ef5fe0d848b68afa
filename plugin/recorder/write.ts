/** Writes a run's recording: attempts, steps and buckets, a batch of reports in one transaction. Reads back only what it needs to
 * go on with an attempt. */
import { RUN_SCALARS } from '../../src/telemetry/catalogue.ts';
import type { Outcome, StepReport } from '../../src/telemetry/report.ts';
import type { RunHeader } from '../../src/telemetry/sample.ts';
import type { SelfTestEntry } from '../../src/telemetry/selfTest.ts';
import type { WarningRecord } from '../../src/telemetry/warning.ts';
import { type AttemptOwner, type AttemptState, beginAttempt, endVanished, growAttempt, resumeAttempt } from './attempts.ts';
import { blob, pack, toSql } from './blobs.ts';
import { readBucket, upsertBucket } from './bucketRows.ts';
import { addToBuckets, type Bucket, FACTOR, LEVELS, largest } from './buckets.ts';
import { type Db, insert, openForWriting } from './database.ts';
import { makeWay, recordingPath } from './directory.ts';
import { createFolder } from './files.ts';
import { type FilesAt, filesAt } from './inPlace.ts';
import { SCALAR_COLUMNS } from './migrations.ts';
import { toSlots } from './recordedListing.ts';
import { readWarningRows, writeWarnings } from './recordedWarnings.ts';

/** A recording that is being written: the attempt, and what else of it is kept in memory. */
export interface Recording extends AttemptState {
  readonly path: string;
  /** Which files that were when it was opened: its own and its log. */
  readonly files: FilesAt;
  readonly owner: AttemptOwner | null;
  readonly db: Db;
  /** Rows of the warnings that are in the file. */
  readonly warnings: Map<WarningRecord, number>;
}

/**
 * Opens or creates `DIR/<run>.sqlite` and starts a new attempt. Two processes may open the same run: each gets an attempt.
 * @param header of an attempt that is gone on with, its connections become part of those that are recorded
 * @param owner where the newest attempt has the same source, that goes on; null: a new one always
 * @param own number of the attempt that this process has in it already: that goes on; null: none
 * @throws if the folder cannot be made, the name is none, or the file is not a recording of a known version
 */
export function openRecording(
  directory: string,
  header: RunHeader,
  time: number,
  owner: AttemptOwner | null = null,
  own: number | null = null,
): Recording {
  const path = recordingPath(directory, header.run);
  createFolder(directory);
  makeWay(directory, header.run);
  const db = openForWriting(path);
  try {
    db.exec('BEGIN IMMEDIATE');
    endVanished(db, time);
    const resumed = own !== null || (owner !== null && !owner.fresh) ? resumeAttempt(db, header, owner, own) : null;
    const state = resumed ?? beginAttempt(db, header, time, owner);
    db.exec('COMMIT');
    if (owner !== null) owner.fresh = false;
    return { path, files: filesAt(path), db, owner, ...state, warnings: readWarningRows(db) };
  } catch (error) {
    db.close();
    throw error;
  }
}

/**
 * Writes reports in one transaction; when it returns they are committed. A step that is not above the last one starts a
 * new attempt (`recording.attempt` then changes); with an owner it is one that comes late, and taken where it is not there yet.
 * @param watched the warnings that changed and the state of the detectors (null: as it was)
 * @param isSecond they may be in it already, by this attempt
 * @param run the header that the reports have, which names all connections of the recorded one; and the sender's self-test
 * @returns the attempt of each report
 * @throws what SQLite throws (a full disk …): then nothing of the batch is written and the call may be repeated
 */
export function commitReports(
  recording: Recording,
  reports: readonly StepReport[],
  watched: { changed: Iterable<WarningRecord>; state: string | null } = { changed: [], state: null },
  isSecond = false,
  run: { header: RunHeader; selfTest: readonly SelfTestEntry[] | null } = {
    header: recording.listing.header,
    selfTest: recording.selfTest,
  },
): number[] {
  const { db } = recording;
  const { attempt, listing, lastStep, maxCompositeGain, open, selfTest } = recording;
  let staged: AttemptState = { attempt, listing, lastStep, maxCompositeGain, open, selfTest };
  let changed = new Map<string, Bucket>();
  const flush = () => {
    for (const bucket of changed.values()) upsertBucket(db, staged.attempt, bucket, staged.listing);
    const values = [staged.lastStep, toSql(staged.maxCompositeGain), staged.attempt];
    db.prepare('UPDATE attempts SET last_step = ?, max_composite_gain = ? WHERE attempt = ?').run(...values);
    changed = new Map();
  };
  const attempts: number[] = [];
  let added = new Map<WarningRecord, number>();
  db.exec('BEGIN IMMEDIATE');
  try {
    if (run.header !== listing.header) staged = growAttempt(db, staged, run.header);
    for (const report of reports) {
      if ((recording.owner !== null || isSecond) && staged.lastStep !== null && report.step <= staged.lastStep) {
        insertEarlier(db, staged, report, changed);
        attempts.push(staged.attempt);
        continue;
      }
      if (staged.lastStep !== null && report.step <= staged.lastStep) {
        flush();
        db.prepare("UPDATE attempts SET ended_at = ?, outcome = 'unknown' WHERE attempt = ?").run(report.time, staged.attempt);
        staged = beginAttempt(db, staged.listing.header, report.time, null);
      }
      if (staged.lastStep === null) db.prepare('UPDATE attempts SET first_step = ? WHERE attempt = ?').run(report.step, staged.attempt);
      insertStep(db, staged, report);
      staged.open = addToBuckets(staged.open, report, changed);
      staged.lastStep = report.step;
      if (report.compositeGain !== null) staged.maxCompositeGain = largest(staged.maxCompositeGain, report.compositeGain);
      attempts.push(staged.attempt);
    }
    flush();
    if (run.selfTest !== staged.selfTest) staged = recordSelfTest(db, staged, run.selfTest);
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

/** A step below the last one of its attempt; nothing where it is there already. Changes the buckets and maximum of `staged`. */
function insertEarlier(db: Db, staged: AttemptState, report: StepReport, changed: Map<string, Bucket>): void {
  const { attempt } = staged;
  const { step } = report;
  if (db.prepare('SELECT 1 FROM steps WHERE attempt = ? AND step = ?').get(attempt, step) !== undefined) return;
  insertStep(db, staged, report);
  db.prepare('UPDATE attempts SET first_step = min(first_step, ?) WHERE attempt = ?').run(step, attempt);
  const before = Array.from({ length: LEVELS }, (_, i) => {
    const number = Math.floor(step / FACTOR ** (i + 1));
    return staged.open[i]?.bucket === number ? staged.open[i] : (readBucket(db, attempt, i + 1, number, staged.listing) ?? undefined);
  });
  const after = addToBuckets(before, report, changed);
  staged.open = staged.open.map((bucket, i) => (bucket.bucket === after[i].bucket ? after[i] : bucket));
  if (report.compositeGain !== null) staged.maxCompositeGain = largest(staged.maxCompositeGain, report.compositeGain);
}

function recordSelfTest(db: Db, staged: AttemptState, selfTest: AttemptState['selfTest']): AttemptState {
  const text = selfTest === null ? null : JSON.stringify(selfTest);
  db.prepare('UPDATE attempts SET self_test = ? WHERE attempt = ?').run(text, staged.attempt);
  return { ...staged, selfTest };
}

function insertStep(db: Db, { attempt, listing }: AttemptState, whole: StepReport): void {
  const report = toSlots(whole, listing);
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
    memory_totals: memory === null ? null : JSON.stringify(Object.fromEntries(memory.totals)),
    packed,
    measures: blobs[0],
    mapping: blobs[1],
    nonfinite: blob(report.nonfinite),
    memory: memory === null ? null : blob(memory.connections),
    ranks: report.partRanks === undefined ? null : JSON.stringify(report.partRanks),
  });
}

/** Records how the attempt ended; the file stays open. @throws what SQLite throws */
export function recordOutcome({ db, attempt }: Recording, outcome: Outcome, time: number): void {
  db.prepare('UPDATE attempts SET outcome = ?, ended_at = ? WHERE attempt = ?').run(outcome, time, attempt);
}

/** Says how the attempt ended and closes the file. @throws what SQLite throws; the file is closed all the same */
export function closeRecording(recording: Recording, outcome: Outcome, time: number): void {
  const { db } = recording;
  try {
    recordOutcome(recording, outcome, time);
    db.pragma('wal_checkpoint(TRUNCATE)');
  } finally {
    db.close();
  }
}
