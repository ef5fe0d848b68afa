/** The attempts of a recording that is written: begun, gone on with, grown by connections, ended where nobody ended them. */
import { MEASURES } from '../../src/telemetry/catalogue.ts';
import { indexOf, type Listing, mergeHeader } from '../../src/telemetry/listing.ts';
import { MEMORY_KINDS, type RunHeader } from '../../src/telemetry/sample.ts';
import type { SelfTestEntry } from '../../src/telemetry/selfTest.ts';
import { fromSql } from './blobs.ts';
import { readBucket } from './bucketRows.ts';
import { type Bucket, LEVELS } from './buckets.ts';
import { type Db, insert } from './database.ts';
import { type AttemptRow, isAlive, listingOf, selfTestOf } from './read.ts';
import { grownListing, listingColumns, newListing, type RecordedListing, widenBucket } from './recordedListing.ts';

/** What is kept in memory of the attempt that is written. */
export interface AttemptState {
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

/** Begins the next attempt of a recording, in a transaction of the caller. */
export function beginAttempt(db: Db, header: RunHeader, time: number, owner: AttemptOwner | null): AttemptState {
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
export function resumeAttempt(db: Db, header: RunHeader, owner: AttemptOwner | null, own: number | null): AttemptState | null {
  const which = own === null ? '' : `WHERE attempt = ${own} AND pid = ${process.pid}`;
  const row = db.prepare(`SELECT * FROM attempts ${which} ORDER BY attempt DESC LIMIT 1`).get() as AttemptRow | undefined;
  if (row === undefined || row.source !== (owner?.source ?? null)) return null;
  // One that has ended goes on where it is asked for by its name: a job that was started again.
  if (row.outcome !== null && row.outcome !== 'unknown' && (owner?.source ?? '') === '') return null;
  if (row.outcome === null && row.pid !== process.pid && isAlive(row.pid)) return null;
  const recorded = listingOf(row);
  if (!fits(recorded.header, header) || row.measures !== MEASURE_KEYS) return null;
  if ((owner?.source ?? '') === '' && own === null && !haveCommon(recorded.header.connections, header.connections)) return null;
  db.prepare('UPDATE attempts SET outcome = NULL, ended_at = NULL, pid = ? WHERE attempt = ?').run(process.pid, row.attempt);
  const open = Array.from({ length: LEVELS }, (_, i) => readBucket(db, row.attempt, i + 1, null, recorded)).filter(
    (bucket) => bucket !== null,
  );
  const { attempt, last_step: lastStep } = row;
  const maxCompositeGain = fromSql(row.max_composite_gain);
  const state: AttemptState = { attempt, listing: recorded, lastStep, maxCompositeGain, open, selfTest: selfTestOf(row) };
  return growAttempt(db, state, mergeHeader({ ...recorded.header, run: header.run, tokens: header.tokens }, header));
}

/** Can one be gone on with as the other? n is that of the connections, so a baseline has any. */
const fits = (a: RunHeader, b: RunHeader): boolean => a.streams === b.streams || a.connections.length === 0 || b.connections.length === 0;

/** Of a sender without attempts the connections tell whether it is another model. */
const haveCommon = (a: Listing, b: Listing): boolean => a.length + b.length === 0 || b.some(({ name }) => indexOf(a).has(name));

/** The attempt with more connections, or with more that is known of them. @param header names all that are known of it */
export function growAttempt(db: Db, state: AttemptState, header: RunHeader): AttemptState {
  const { listing: before, attempt } = state;
  if (before.header.connections === header.connections) return { ...state, listing: { ...before, header } };
  const { streams } = header;
  const listing = grownListing(before, header);
  const { connections, slots } = listingColumns(listing);
  const set = 'UPDATE attempts SET connections = ?, slots = ?, streams = ? WHERE attempt = ?';
  db.prepare(set).run(connections, slots, streams, attempt);
  // Written before version 7.
  db.prepare('UPDATE buckets SET layers = ? WHERE attempt = ? AND layers IS NULL').run(before.bySlot.length, attempt);
  const open = state.open.map((bucket) => widenBucket(bucket, before.header.connections, header.connections, streams));
  return { ...state, listing, open };
}

/** Attempts that no process writes any more and that nobody ended: how they ended is not known. */
export function endVanished(db: Db, time: number): void {
  const rows = db.prepare('SELECT attempt, pid FROM attempts WHERE outcome IS NULL').all() as { attempt: number; pid: number }[];
  for (const { attempt, pid } of rows) {
    if (!isAlive(pid)) db.prepare("UPDATE attempts SET outcome = 'unknown', ended_at = ? WHERE attempt = ?").run(time, attempt);
  }
}
