/**
 * A recording is one SQLite file per run, `<run>.sqlite`, in WAL mode: readable with `sqlite3` while the run goes on.
 * This file opens it and owns its schema; write.ts fills it, read.ts asks it. The only importer of libsql.
 *
 * Schema version 4 (PRAGMA user_version; application_id 'gwat'). Earlier ones are read, and brought up when they are written:
 * version 1 has neither warnings nor detectors, version 2 no time of acknowledgement,
 * version 3 no source.
 * - attempts: one row per opening of the run, or per step back: when, which process, how it ended, first and last step,
 *   the connections (JSON) and the order of the measures (JSON); largest composite gain so far;
 *   source: by what name a sender knows it (NULL: written by the training process itself), to go on in it after a restart.
 * - steps: one row per step and attempt. Scalars as columns (NULL: not known; NaN is the text 'NaN').
 *   measures: float32 [measure, connection]; mapping: float32 [connection, n, n], the token-mean H_res;
 *   nonfinite: float64 [connection]; memory: float64 [kind, connection], bytes. All little-endian.
 * - buckets: minimum and maximum of every scalar and measure over 8^level consecutive step numbers, level 1 to 5,
 *   brought up to date with every commit. A NaN makes the maximum NaN and does not count in the minimum, unless all are.
 *   A scalar that is not known does not count; where none is, the minimum is +Inf and the maximum −Inf. In the first
 *   recordings neither counted, and a bucket with nothing else is NaN.
 * - warnings: one row per warning raised: what it was (JSON), when it ended, when it was acknowledged.
 *   detectors: their state, to go on after a restart.
 *
 * Durability: synchronous=NORMAL. What is committed survives the death of the process (kill -9); a power cut may take
 * the last commits, never the file.
 */
import { existsSync } from 'node:fs';
import Database from 'libsql';

export type Db = Database.Database;

const APPLICATION_ID = 0x67776174;

/** What makes each version out of the one before it, from nothing on. Never changed, only added to. */
const STEPS = [
  `
CREATE TABLE attempts (
  attempt INTEGER PRIMARY KEY,
  run TEXT NOT NULL,
  pid INTEGER NOT NULL,
  started_at INTEGER NOT NULL,
  ended_at INTEGER,
  outcome TEXT,
  streams INTEGER NOT NULL,
  tokens INTEGER NOT NULL,
  connections TEXT NOT NULL,
  measures TEXT NOT NULL,
  memory_kinds TEXT NOT NULL,
  first_step INTEGER,
  last_step INTEGER,
  max_composite_gain
);
CREATE TABLE steps (
  attempt INTEGER NOT NULL,
  step INTEGER NOT NULL,
  time INTEGER NOT NULL,
  step_seconds,
  loss,
  gradient_norm,
  learning_rate,
  composite_gain,
  overhead_seconds REAL NOT NULL,
  samples_dropped INTEGER NOT NULL,
  errors INTEGER NOT NULL,
  memory_totals TEXT,
  measures BLOB NOT NULL,
  mapping BLOB NOT NULL,
  nonfinite BLOB NOT NULL,
  memory BLOB,
  PRIMARY KEY (attempt, step)
);
CREATE TABLE buckets (
  attempt INTEGER NOT NULL,
  level INTEGER NOT NULL,
  bucket INTEGER NOT NULL,
  first_step INTEGER NOT NULL,
  first_time INTEGER NOT NULL,
  count INTEGER NOT NULL,
  scalars_min BLOB NOT NULL,
  scalars_max BLOB NOT NULL,
  measures_min BLOB NOT NULL,
  measures_max BLOB NOT NULL,
  PRIMARY KEY (attempt, level, bucket)
);
CREATE VIEW scalars AS
  SELECT attempt, step, datetime(time / 1000, 'unixepoch') AS time, round(step_seconds * 1000, 1) AS step_ms,
         loss, gradient_norm, learning_rate, composite_gain FROM steps ORDER BY attempt, step;
`,
  `
CREATE TABLE warnings (
  id INTEGER PRIMARY KEY,
  warning TEXT NOT NULL,
  cleared_step INTEGER,
  cleared_time INTEGER
);
CREATE TABLE detectors (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  state TEXT NOT NULL
);
`,
  'ALTER TABLE warnings ADD COLUMN acknowledged_time INTEGER;',
  'ALTER TABLE attempts ADD COLUMN source TEXT;',
];
const SCHEMA_VERSION = STEPS.length;

const pragma = (db: Db, name: string): number => Number((db.prepare(`PRAGMA ${name}`).get() as Record<string, unknown>)[name]);

/** Throws with the path if the file is none of ours, or of a newer version. */
function checkFile(db: Db, path: string): void {
  let application: number;
  let version: number;
  try {
    application = pragma(db, 'application_id');
    version = pragma(db, 'user_version');
  } catch (error) {
    throw new Error(`${path} is not a gainwatch recording: ${(error as Error).message}`);
  }
  if (application !== APPLICATION_ID) throw new Error(`${path} is not a gainwatch recording: application_id is ${application}`);
  if (version > SCHEMA_VERSION) {
    throw new Error(`${path} has schema version ${version}, this gainwatch reads up to ${SCHEMA_VERSION}: use a newer gainwatch`);
  }
}

/** Opens a recording for writing; creates it where there is none. */
export function openForWriting(path: string): Db {
  const db = new Database(path);
  try {
    db.pragma('busy_timeout = 5000');
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = NORMAL');
    db.exec('BEGIN IMMEDIATE');
    const empty = db.prepare('SELECT count(*) AS n FROM sqlite_master').get() as { n: number };
    if (empty.n === 0) db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = 0;`);
    const version = pragma(db, 'user_version');
    if (pragma(db, 'application_id') === APPLICATION_ID && version < SCHEMA_VERSION) {
      db.exec(`${STEPS.slice(version).join('')}PRAGMA user_version = ${SCHEMA_VERSION};`);
    }
    db.exec('COMMIT');
    checkFile(db, path);
  } catch (error) {
    db.close();
    if ((error as { code?: string }).code === 'SQLITE_NOTADB') throw new Error(`${path} is not a gainwatch recording: not a database`);
    throw error;
  }
  return db;
}

/** Has the recording tables for warnings? One of version 1 that nobody has written since has none. */
export const hasWarnings = (db: Db): boolean => pragma(db, 'user_version') >= 2;

/** Opens a recording that must exist; nothing can be written through it. */
export function openForReading(path: string): Db {
  // libsql enforces neither `fileMustExist` nor `readonly`.
  if (!existsSync(path)) throw new Error(`${path} cannot be opened: there is no such file`);
  let db: Db;
  try {
    db = new Database(path);
  } catch (error) {
    throw new Error(`${path} cannot be opened: ${(error as Error).message}`);
  }
  try {
    db.pragma('query_only = ON');
    db.pragma('busy_timeout = 5000');
    // Whoever made the file: its schema calls no function with an effect, and its pages are looked at before they are believed.
    db.pragma('trusted_schema = OFF');
    db.pragma('cell_size_check = ON');
    checkFile(db, path);
  } catch (error) {
    db.close();
    throw error;
  }
  return db;
}

interface SchemaRow {
  type: string;
  name: string;
  tbl_name: string;
  sql: string | null;
}

const schemaOf = (db: Db): SchemaRow[] =>
  db.prepare('SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name').all() as SchemaRow[];
const textOf = ({ type, name, tbl_name: table, sql }: SchemaRow) => `${type} ${name} ${table} ${(sql ?? '').replace(/\s+/g, ' ')}`;

/**
 * What in the schema of a file gainwatch did not write (a trigger, a view, a check, a virtual table …), or what of its own is
 * missing there; null: all of it is ours to the letter, so nothing in it can act.
 */
export function foreignSchema(db: Db): string | null {
  const ours = new Database(':memory:');
  ours.exec(STEPS.slice(0, pragma(db, 'user_version')).join(''));
  const known = schemaOf(ours);
  ours.close();
  const found = schemaOf(db);
  const extra = found.find((row, i) => known[i] === undefined || textOf(row) !== textOf(known[i])) ?? known[found.length];
  return extra === undefined ? null : `${extra.type} ${extra.name}`;
}
