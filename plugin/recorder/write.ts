/** Writes a run's recording: attempts, steps and buckets, a batch of reports in one transaction. Reads back only what it needs to
 * go on with an attempt. */
import { MEASURES, RUN_SCALARS } from '../../src/telemetry/catalogue.ts';
import type { Outcome, StepReport } from '../../src/telemetry/report.ts';
import { mergeHeader } from '../../src/telemetry/listing.ts';
import { MEMORY_KINDS, type RunHeader } from '../../src/telemetry/sample.ts';
import type { SelfTestEntry } from '../../src/telemetry/selfTest.ts';
import type { WarningRecord } from '../../src/telemetry/warning.ts';
import { blob, fromSql, pack, toSql } from './blobs.ts';
import { readBucket, upsertBucket } from './bucketRows.ts';
import { addToBuckets, type Bucket, FACTOR, LEVELS, largest } from './buckets.ts';
import { type Db, insert, openForWriting } from './database.ts';
import { makeWay, recordingPath } from './directory.ts';
import { createFolder } from './files.ts';
import { type FilesAt, filesAt } from './inPlace.ts';
import { SCALAR_COLUMNS } from './migrations.ts';
import { type AttemptRow, isAlive, listingOf, selfTestOf } from './read.ts';
import { grownListing, listingColumns, newListing, type RecordedListing, toSlots, widenBucket } from './recordedListing.ts';
import { readWarningRows, writeWarnings } from './recordedWarnings.ts';

/** What is kept in memory of the attempt that is written. */
interface AttemptState {
  /** Its number, from 1. */
  attempt: number;
  /** Its connections, which may become more. */
  listing: RecordedListing;
  lastStep: number | null;
  maxCompositeGain: number | null;
  /** The open bucket of each level. */
  open: Bucket[];
  /** What the sender found of its connections; null: nothing was sent. */
  selfTest: readonly SelfTestEntry[] | null;
}

/** Whose attempt it is, where others than the process that began it may go on with it. */
export interface AttemptOwner {
  /** By what name it is known: that of a sender's attempt, '' where it has none. */
  readonly source: string;
  /** SHA-256 of the key of the training, hex; null: it has none. */
  readonly key: string | null;
  /** Its steps are made in this process: what is given up no sender has still. Unless given, they are sent. */
  readonly isHere?: boolean;
  /** It begins anew, even where the newest attempt has this source: known once it has begun. */
  fresh: boolean;
}

/** The order of the measures as an attempt keeps it. */
const MEASURE_KEYS = JSON.stringify(MEASURES.map(({ key }) => key));

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

function beginAttempt(db: Db, header: RunHeader, time: number, owner: AttemptOwner | null): AttemptState {
  const { attempt } = db.prepare('SELECT coalesce(max(attempt), 0) + 1 AS attempt FROM attempts').get() as { attempt: number };
  const listing = newListing(header);
  insert(db, 'attempts', {
    attempt,
    run: header.run,
    pid: process.pid,
    started_at: time,
    streams: header.streams,
    tokens: header.tokens,
    ...listingColumns(listing),
    measures: MEASURE_KEYS,
    memory_kinds: JSON.stringify(MEMORY_KINDS),
    source: owner?.source ?? null,
    key: owner?.key ?? null,
  });
  return { attempt, listing, lastStep: null, maxCompositeGain: null, open: [], selfTest: null };
}

/**
 * Goes on with the newest attempt, as a sender does after this process was started anew; null where it is another one, has ended, is
 * written by another process or has another n.
 */
function resumeAttempt(db: Db, header: RunHeader, owner: AttemptOwner | null, own: number | null): AttemptState | null {
  const which = own === null ? '' : `WHERE attempt = ${own} AND pid = ${process.pid}`;
  const row = db.prepare(`SELECT * FROM attempts ${which} ORDER BY attempt DESC LIMIT 1`).get() as AttemptRow | undefined;
  if (row === undefined || row.source !== (owner?.source ?? null)) return null;
  // One that has ended goes on where it is asked for by its name: a job that was started again.
  if (row.outcome !== null && row.outcome !== 'unknown' && (owner?.source ?? '') === '') return null;
  if (row.outcome === null && row.pid !== process.pid && isAlive(row.pid)) return null;
  const recorded = listingOf(row);
  if (!fits(recorded.header, header) || row.measures !== MEASURE_KEYS) return null;
  db.prepare('UPDATE attempts SET outcome = NULL, ended_at = NULL, pid = ? WHERE attempt = ?').run(process.pid, row.attempt);
  const open = Array.from({ length: LEVELS }, (_, i) => readBucket(db, row.attempt, i + 1, null, recorded)).filter(
    (bucket) => bucket !== null,
  );
  const { attempt, last_step: lastStep } = row;
  const maxCompositeGain = fromSql(row.max_composite_gain);
  const state: AttemptState = { attempt, listing: recorded, lastStep, maxCompositeGain, open, selfTest: selfTestOf(row) };
  return grow(db, state, mergeHeader({ ...recorded.header, run: header.run }, header));
}

/** Can one be gone on with as the other? n is that of the connections, so a baseline has any. */
const fits = (a: RunHeader, b: RunHeader): boolean =>
  a.streams === b.streams || a.connections.length === 0 || b.connections.length === 0;

/** The attempt with more connections, or with more that is known of them. @param header names all that are known of it */
function grow(db: Db, state: AttemptState, header: RunHeader): AttemptState {
  const { listing: before, attempt } = state;
  if (before.header.connections === header.connections) return { ...state, listing: { ...before, header } };
  const { streams } = header;
  const listing = grownListing(before, header);
  const { connections, slots } = listingColumns(listing);
  const set = 'UPDATE attempts SET connections = ?, slots = ?, streams = ? WHERE attempt = ?';
  db.prepare(set).run(connections, slots, streams, attempt);
  const open = state.open.map((bucket) => widenBucket(bucket, before.header.connections, header.connections, streams));
  return { ...state, listing, open };
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
  run: { header: RunHeader; selfTest: readonly SelfTestEntry[] | null } = { header: recording.listing.header, selfTest: recording.selfTest },
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
    if (run.header !== listing.header) staged = grow(db, staged, run.header);
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
