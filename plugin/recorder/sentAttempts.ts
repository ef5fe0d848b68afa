/**
 * What a recording knows of the attempts that other processes sent: whose they are, and which of their steps are stored. Asked by the
 * ingest, which promises nothing that is not in the file.
 */
import { existsSync } from 'node:fs';
import { MEASURES } from '../../src/telemetry/catalogue.ts';
import type { Listing } from '../../src/telemetry/listing.ts';
import type { Outcome, RankRange } from '../../src/telemetry/report.ts';
import type { ConnectionInfo } from '../../src/telemetry/sample.ts';
import { placesIn, widenMeasures } from '../../src/telemetry/widen.ts';
import { fromSql, type SqlBlob, type SqlNumber, unpack } from './blobs.ts';
import { type Db, hasPacked, openForReading, openForWriting } from './database.ts';
import { recordingPath } from './directory.ts';
import { type AttemptRow, isAlive, listingOf } from './read.ts';

/** A step that is in the file. */
export interface StoredStep {
  /** Those that it was put together of. */
  ranks: readonly RankRange[];
  /** As long as the file is open. `measures`: [measure, connection], of the connections that the attempt has by now. */
  values(): { loss: number | null; measures: Float32Array; connections: Listing };
}

/** Whose run a recording is, by its newest attempt. */
export interface SentRun {
  /** As `AttemptOwner` has it; null: of a process that is not gone on with. */
  source: string | null;
  key: string | null;
  outcome: Outcome | null;
  /** Of its connections. */
  names: string[];
  /** Sources of all its attempts. */
  sources: string[];
  /** Another process writes it now. */
  isWrittenElsewhere: boolean;
  /** When it was last heard of, ms since 1970. */
  lastTime: number;
  /** Last step of the newest attempt; null: none. */
  lastStep: number | null;
}

/** The last step of the attempts of a source; null: none. Asks a file that is open. */
export const lastStepOf = (db: Db, source: string): number | null =>
  (db.prepare('SELECT max(last_step) AS step FROM attempts WHERE source = ?').get(source) as { step: number | null }).step;

type Find = (source: string, step: number) => StoredStep | null;

/** Finds steps of attempts by their source, in whichever recorded attempt they are; null: it is not stored. Of a file that is open. */
export function stepsIn(db: Db): Find {
  const which = 'FROM steps WHERE step = ? AND attempt IN (SELECT attempt FROM attempts WHERE source = ?) LIMIT 1';
  const ranks = db.prepare(`SELECT ranks ${which}`);
  const values = db.prepare(`SELECT attempt, loss, packed, measures, length(nonfinite) / 8 AS layers ${which}`);
  const attempts = db.prepare('SELECT * FROM attempts WHERE attempt = ?');
  return (source, step) => {
    const row = ranks.get(step, source) as { ranks: string | null } | undefined;
    if (row === undefined) return null;
    return {
      ranks: row.ranks === null ? [[0, 0]] : (JSON.parse(row.ranks) as RankRange[]),
      values: () => {
        const { attempt, loss, measures, packed, layers } = values.get(step, source) as {
          attempt: number;
          loss: SqlNumber;
          packed: number;
          measures: SqlBlob;
          layers: number;
        };
        const { header, bySlot } = listingOf(attempts.get(attempt) as AttemptRow);
        const all = unpack(measures, packed, MEASURES.length * layers);
        const places = placesIn(bySlot.slice(0, layers), header.connections);
        const widened = places === null ? all : widenMeasures(all, layers, places, header.streams);
        return { loss: fromSql(loss), measures: widened, connections: header.connections };
      },
    };
  };
}

export interface StepFinder {
  find: Find;
  close(): void;
}

/** The same of a run that is not open here. @throws what opening a recording throws */
export function openStepFinder(directory: string, run: string): StepFinder {
  const path = recordingPath(directory, run);
  if (!existsSync(path)) return { find: () => null, close: () => {} };
  const db = openForReading(path);
  const close = () => void db.close();
  try {
    return { find: hasPacked(db) ? stepsIn(db) : () => null, close };
  } catch (error) {
    close();
    throw error;
  }
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

/** Whose a recording is; null where there is none, or it has no attempt. @throws what opening a recording throws */
export const readSentRun = (directory: string, run: string): SentRun | null =>
  ask(directory, run, (db) => {
    const newest = db.prepare('SELECT * FROM attempts ORDER BY attempt DESC LIMIT 1').get() as
      | {
          attempt: number;
          pid: number;
          started_at: number;
          last_step: number | null;
          connections: string;
          outcome: Outcome | null;
          source?: string | null;
          key?: string | null;
        }
      | undefined;
    if (newest === undefined) return null;
    // Of a thousand attempts nothing else is read: each has a list of all its connections.
    const named = 'SELECT source FROM attempts WHERE source IS NOT NULL GROUP BY source ORDER BY min(attempt)';
    const sources = newest.source === undefined ? [] : (db.prepare(named).all() as { source: string }[]);
    const { attempt, pid, outcome, started_at: startedAt, last_step: lastStep, source = null, key = null } = newest;
    const last = db.prepare('SELECT time FROM steps WHERE attempt = ? ORDER BY step DESC LIMIT 1').get(attempt) as
      | { time: number }
      | undefined;
    return {
      source,
      key,
      outcome,
      names: (JSON.parse(newest.connections) as ConnectionInfo[]).map(({ name }) => name),
      sources: sources.map((row) => row.source),
      isWrittenElsewhere: outcome === null && pid !== process.pid && isAlive(pid),
      lastTime: Math.max(startedAt, last?.time ?? 0),
      lastStep,
    };
  });

/**
 * Records how the newest attempt of a run ended that is not open here; nothing where it is of another source, or that is known.
 * @throws what SQLite throws
 */
export function recordEnd(directory: string, run: string, source: string, outcome: Outcome, time: number): void {
  const db = openForWriting(recordingPath(directory, run));
  try {
    const which = "attempt = (SELECT max(attempt) FROM attempts) AND source = ? AND coalesce(outcome, 'unknown') = 'unknown'";
    db.prepare(`UPDATE attempts SET outcome = ?, ended_at = ? WHERE ${which}`).run(outcome, time, source);
  } finally {
    db.close();
  }
}
