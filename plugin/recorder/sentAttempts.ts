/**
 * What a recording knows of the attempts that other processes sent: whose they are, and which of their steps are stored. Asked by the
 * ingest, which promises nothing that is not in the file.
 */
import { existsSync } from 'node:fs';
import { MEASURES } from '../../src/telemetry/catalogue.ts';
import type { Outcome, RankRange } from '../../src/telemetry/report.ts';
import { fromSql, type SqlBlob, type SqlNumber, unpack } from './blobs.ts';
import { type Db, hasPacked, openForReading, openForWriting } from './database.ts';
import { recordingPath } from './directory.ts';
import { isAlive } from './read.ts';

/** A step that is in the file. */
export interface StoredStep {
  /** Those that it was put together without. */
  missingRanks: readonly RankRange[];
  loss: number | null;
  /** Float32 [measure, connection], in the order of the attempt. */
  measures: Float32Array;
}

/** Whose run a recording is, by its newest attempt. */
export interface SentRun {
  /** As `AttemptOwner` has it; null: of a process that is not gone on with. */
  source: string | null;
  key: string | null;
  outcome: Outcome | null;
  /** Sources of all its attempts. */
  sources: string[];
  /** Another process writes it now. */
  isWrittenElsewhere: boolean;
  /** When it was last heard of, ms since 1970. */
  lastTime: number;
  /** Last step of the newest attempt; null: none. */
  lastStep: number | null;
}

/** A step of an attempt by its source, in whichever recorded attempt it is; null: it is not stored. Asks a file that is open. */
export function storedStep(db: Db, source: string, step: number): StoredStep | null {
  const found = db.prepare(
    'SELECT missing_ranks, loss, packed, measures, length(nonfinite) / 8 AS layers FROM steps WHERE step = ? AND attempt IN (SELECT attempt FROM attempts WHERE source = ?) LIMIT 1',
  );
  const row = found.get(step, source) as
    | { missing_ranks: string | null; loss: SqlNumber; packed: number; measures: SqlBlob; layers: number }
    | undefined;
  if (row === undefined) return null;
  return {
    missingRanks: row.missing_ranks === null ? [] : (JSON.parse(row.missing_ranks) as RankRange[]),
    loss: fromSql(row.loss),
    measures: unpack(row.measures, row.packed, MEASURES.length * row.layers),
  };
}

/** Asks the recording of a run, which may not be open here; null where there is none. @throws what opening a recording throws */
function ask<T>(directory: string, run: string, question: (db: Db) => T): T | null {
  const path = recordingPath(directory, run);
  if (!existsSync(path)) return null;
  const db = openForReading(path);
  try {
    return question(db);
  } finally {
    db.close();
  }
}

/** As `storedStep`, of a run that is not open here. @throws what opening a recording throws */
export const storedStepIn = (directory: string, run: string, source: string, step: number): StoredStep | null =>
  ask(directory, run, (db) => (hasPacked(db) ? storedStep(db, source, step) : null));

/** Whose a recording is; null where there is none, or it has no attempt. @throws what opening a recording throws */
export const readSentRun = (directory: string, run: string): SentRun | null =>
  ask(directory, run, (db) => {
    const rows = db.prepare('SELECT * FROM attempts ORDER BY attempt').all() as {
      attempt: number;
      pid: number;
      started_at: number;
      last_step: number | null;
      outcome: Outcome | null;
      source?: string | null;
      key?: string | null;
    }[];
    const newest = rows.at(-1);
    if (newest === undefined) return null;
    const { attempt, pid, outcome, started_at: startedAt, last_step: lastStep, source = null, key = null } = newest;
    const last = db.prepare('SELECT time FROM steps WHERE attempt = ? ORDER BY step DESC LIMIT 1').get(attempt) as
      | { time: number }
      | undefined;
    return {
      source,
      key,
      outcome,
      sources: [...new Set(rows.flatMap((row) => row.source ?? []))],
      isWrittenElsewhere: outcome === null && pid !== process.pid && isAlive(pid),
      lastTime: Math.max(startedAt, last?.time ?? 0),
      lastStep,
    };
  });

/**
 * Records how the newest attempt of a run ended that is not open here; nothing where it is of another source. @throws what SQLite throws
 */
export function recordEnd(directory: string, run: string, source: string, outcome: Outcome, time: number): void {
  const db = openForWriting(recordingPath(directory, run));
  try {
    db.prepare('UPDATE attempts SET outcome = ?, ended_at = ? WHERE attempt = (SELECT max(attempt) FROM attempts) AND source = ?').run(
      outcome,
      time,
      source,
    );
  } finally {
    db.close();
  }
}
