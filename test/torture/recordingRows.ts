/** What a recording says of its steps, read by SQL of this file's own: not by gainwatch's reader, which may be wrong too. */
import { inflateRawSync } from 'node:zlib';
import Database from 'libsql';
import { MEASURE, STREAMS } from './truth.ts';

/** A recording to look into. */
export interface RecordingFile {
  readonly path: string;
  /** Of the folder; moved away while it was written; or deleted (kept by a link). */
  readonly place: 'runs' | 'moved' | 'deleted';
  /** Of one that was deleted: when, ms of the harness's clock. */
  readonly deletedAt?: number;
}

export interface StepRow {
  readonly file: RecordingFile;
  readonly run: string;
  /** Name of the sender's attempt; '' for none. */
  readonly source: string;
  readonly step: number;
  readonly loss: number | null;
  /** Ranks that it is said to be put together of; null: the build that wrote it says nothing. */
  readonly ranks: readonly number[] | null;
  /** By connection: the measure, and what mixes its streams; NaN where it is not there. */
  readonly values: ReadonlyMap<string, { measure: number; mixed: number }>;
}

interface Raw {
  run: string;
  source: string | null;
  connections: string;
  order: string;
  step: number;
  loss: number | string | null;
  ranks: string | null;
  packed: number;
  measures: ArrayBuffer;
  mapping: ArrayBuffer;
}

/** @throws Error where the file is damaged */
export function readRows(file: RecordingFile): StepRow[] {
  const db = new Database(file.path);
  try {
    const [{ integrity_check: found }] = db.prepare('PRAGMA integrity_check').all() as { integrity_check: string }[];
    if (found !== 'ok') throw new Error(found);
    // One that was taken away in the moment it was made.
    if (db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'steps'").get() === undefined) return [];
    const columns = (db.prepare("SELECT name FROM pragma_table_info('steps')").all() as { name: string }[]).map(({ name }) => name);
    const ranks = columns.includes('ranks') ? "coalesce(s.ranks, '[[0,0]]')" : 'NULL';
    const packed = columns.includes('packed') ? 'packed' : '0';
    const rows = db
      .prepare(
        `SELECT a.run, a.source, a.connections, a.measures AS "order", s.step, s.loss, ${ranks} AS ranks, ${packed} AS packed,
         s.measures, s.mapping FROM steps s JOIN attempts a USING (attempt)`,
      )
      .all() as Raw[];
    return rows.map((row) => rowOf(file, row));
  } finally {
    db.close();
  }
}

function rowOf(file: RecordingFile, row: Raw): StepRow {
  const names = (JSON.parse(row.connections) as { name: string }[]).map(({ name }) => name);
  const index = (JSON.parse(row.order) as string[]).indexOf(MEASURE);
  const measures = floats(row.measures, row.packed);
  const mapping = floats(row.mapping, row.packed);
  const values = names.map((name, l): [string, { measure: number; mixed: number }] => [
    name,
    { measure: measures[index * names.length + l], mixed: mapping[l * STREAMS * STREAMS + 1] },
  ]);
  return {
    file,
    run: row.run,
    source: row.source ?? '',
    step: row.step,
    loss: typeof row.loss === 'string' ? Number.NaN : row.loss,
    ranks:
      row.ranks === null
        ? null
        : (JSON.parse(row.ranks) as [number, number][]).flatMap(([first, last]) =>
            Array.from({ length: last - first + 1 }, (_, i) => first + i),
          ),
    values: new Map(values),
  };
}

function floats(bytes: ArrayBuffer, packed: number): Float32Array {
  const whole = packed === 1 ? inflateRawSync(bytes) : new Uint8Array(bytes);
  return new Float32Array(Uint8Array.from(whole).buffer);
}
