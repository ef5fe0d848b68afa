/**
 * Has every array of a file of unknown origin the length that its header says, and do its packed ones expand to that? None is expanded
 * further than it may be long, and all of them together no further than a bound. Columns that are no arrays are validateColumns.ts's.
 */
import { FieldError } from '../fieldError.ts';
import { type SqlBlob, unpack } from '../recorder/blobs.ts';
import { type Db, hasPacked } from '../recorder/database.ts';

/** Of the packed arrays of a recording in all. Our choice: four times the largest file, 100,000 steps of 122 connections. */
const MAX_EXPANDED = 2 * 2 ** 30;

/** Bytes of the packed arrays so far. */
export interface Expanded {
  bytes: number;
}

/** Columns that are deflated where a row is packed. */
const PACKED_COLUMNS = ['measures', 'mapping', 'measures_min', 'measures_max'];

/** How long the arrays of a table are. */
export interface ArrayLengths {
  /** Bytes for each connection of a row, by column; one that is NULL is not checked. */
  each: Record<string, number>;
  /** The same of those that do not depend on the connections. */
  whole: Record<string, number>;
  /** How many connections a row has, in SQL; and how many at most. */
  layers: string;
  most: number;
}

/**
 * Checks the arrays of one attempt.
 * @param expanded counts on over the attempts
 * @throws FieldError with the rule and where it is broken
 */
export function checkLengths(db: Db, table: string, attempt: number, lengths: ArrayLengths, expanded: Expanded): void {
  const refuse = (rule: string): never => {
    throw new FieldError('recording', rule, `${table} of attempt ${attempt}`);
  };
  const packs = hasPacked(db);
  const { each, whole, layers, most } = lengths;
  const sql = [
    ...Object.entries(each).map(([column, bytes]) => [column, `${bytes} * (${layers})`]),
    ...Object.entries(whole).map(([column, bytes]) => [column, `${bytes}`]),
  ];
  const wrong = sql.map(([column, length]) => {
    const isLong =
      packs && PACKED_COLUMNS.includes(column) ? `packed = 0 AND length(${column}) <> ${length}` : `length(${column}) <> ${length}`;
    return `${column} IS NOT NULL AND (typeof(${column}) <> 'blob' OR ${isLong})`;
  });
  wrong.push(`(${layers}) NOT BETWEEN 0 AND ${most}`);
  const found = db.prepare(`SELECT 1 AS found FROM ${table} WHERE attempt = ? AND (${wrong.join(' OR ')}) LIMIT 1`).get(attempt);
  if (found !== undefined) refuse('must hold as many values at each step as it has connections');
  if (!packs) return;
  const columns = PACKED_COLUMNS.filter((column) => column in each);
  const packed = db.prepare(`SELECT ${columns.join(', ')}, ${layers} AS count FROM ${table} WHERE attempt = ? AND packed = 1`);
  for (const row of packed.iterate(attempt) as Iterable<Record<string, SqlBlob> & { count: number }>) {
    for (const column of columns) {
      const expected = each[column] * row.count;
      const bytes = expandedBytes(row[column], expected);
      if (bytes !== expected) refuse('must hold packed arrays of as many values as it has connections');
      expanded.bytes += bytes;
      if (expanded.bytes > MAX_EXPANDED) refuse(`must hold packed arrays of at most ${MAX_EXPANDED} bytes in all`);
    }
  }
}

/** @returns −1 where it cannot be expanded to at most so many */
function expandedBytes(value: SqlBlob, most: number): number {
  try {
    return unpack(value, 1, most / Float32Array.BYTES_PER_ELEMENT).byteLength;
  } catch {
    return -1;
  }
}
