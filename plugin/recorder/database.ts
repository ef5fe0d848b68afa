/**
 * A recording is one SQLite file per run, `<run>.sqlite`, in WAL mode: readable with `sqlite3` while the run goes on.
 * This file opens it (migrations.ts has its schema); write.ts fills it, read.ts asks it. The only importer of libsql.
 *
 * Durability: synchronous=NORMAL. What is committed survives the death of the process (kill -9); a power cut may take
 * the last commits, never the file.
 */
import { existsSync } from 'node:fs';
import Database from 'libsql';
import { createPrivately, readOnlyAddress } from './files.ts';
import { APPLICATION_ID, MIGRATIONS, SCHEMA_VERSION } from './migrations.ts';
import { noteOpened } from './releaseHandles.ts';

export type Db = Database.Database;

/**
 * How long a statement waits for a lock that another process holds: a commit takes some milliseconds, and nobody is answered meanwhile. Our
 * choice.
 */
const BUSY_TIMEOUT_MS = 200;

const pragma = (db: Db, name: string): number => Number((db.prepare(`PRAGMA ${name}`).get() as Record<string, unknown>)[name]);

/** @throws Error with the path where the file is none of ours, or of a newer version */
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

/** Starts what libsql starts with its first statement: later, where no file handle is left, that would end the process (tokio panics). */
export function startSqlite(): void {
  const db = new Database(':memory:');
  db.exec('SELECT 1');
  db.close();
}

/**
 * Opens a recording for writing, creates it where there is none, and brings one of an earlier version up.
 * @throws Error with the path where the file is no recording or of a newer version; what SQLite throws (SQLITE_BUSY, a full disk)
 */
export function openForWriting(path: string): Db {
  createPrivately(path);
  noteOpened();
  let db: Db;
  try {
    db = new Database(path);
  } catch (error) {
    throw new Error(`${path} cannot be opened: its folder may not be written, or no file handle is left (${(error as Error).message})`);
  }
  try {
    db.pragma(`busy_timeout = ${BUSY_TIMEOUT_MS}`);
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = NORMAL');
    db.exec('BEGIN IMMEDIATE');
    const empty = db.prepare('SELECT count(*) AS n FROM sqlite_master').get() as { n: number };
    if (empty.n === 0) db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = 0;`);
    const version = pragma(db, 'user_version');
    if (pragma(db, 'application_id') === APPLICATION_ID && version < SCHEMA_VERSION) {
      db.exec(`${MIGRATIONS.slice(version).join('')}PRAGMA user_version = ${SCHEMA_VERSION};`);
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

/** Can rows of the recording be packed? */
export const hasPacked = (db: Db): boolean => pragma(db, 'user_version') >= 6;

/** Do buckets say how many connections they have? */
export const hasLayers = (db: Db): boolean => pragma(db, 'user_version') >= 7;

/**
 * Opens a file with a lock of the kernel that no other connection has meanwhile, of this process or another; it ends with ROLLBACK, or
 * with the process. An empty file is made where there is none. Its content is not looked at.
 * @param waitMs how long another one is waited for
 * @param before SQL that is run before it
 * @throws what SQLite throws: code SQLITE_BUSY where another has it
 */
export function openExclusively(path: string, waitMs: number, before = ''): Db {
  createPrivately(path);
  const db = new Database(path);
  try {
    db.exec(`PRAGMA busy_timeout = ${waitMs}; ${before}; BEGIN EXCLUSIVE`);
  } catch (error) {
    db.close();
    throw error;
  }
  return db;
}

/**
 * Opens a recording that must exist; nothing can be written through it, its version stays. In a folder that may not be written it is
 * read as it lies there.
 * @throws Error with the path where there is no such file, it is no recording or of a newer version
 */
export function openForReading(path: string): Db {
  // libsql enforces neither `fileMustExist` nor `readonly`.
  if (!existsSync(path)) throw new Error(`${path} cannot be opened: there is no such file`);
  noteOpened();
  let db: Db;
  try {
    db = new Database(readOnlyAddress(path));
  } catch (error) {
    throw new Error(`${path} cannot be opened: ${(error as Error).message}`);
  }
  try {
    db.pragma('query_only = ON');
    db.pragma(`busy_timeout = ${BUSY_TIMEOUT_MS}`);
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

/** Inserts a row, given by the names of its columns. @param verb other than INSERT @returns its rowid */
export function insert(db: Db, table: string, row: Record<string, unknown>, verb = 'INSERT'): number {
  const columns = Object.keys(row);
  const sql = `${verb} INTO ${table} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`;
  return Number(db.prepare(sql).run(...Object.values(row)).lastInsertRowid);
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
export function unknownSchema(db: Db): string | null {
  const ours = new Database(':memory:');
  ours.exec(MIGRATIONS.slice(0, pragma(db, 'user_version')).join(''));
  const known = schemaOf(ours);
  ours.close();
  const found = schemaOf(db);
  const extra = found.find((row, i) => known[i] === undefined || textOf(row) !== textOf(known[i])) ?? known[found.length];
  return extra === undefined ? null : `${extra.type} ${extra.name}`;
}
