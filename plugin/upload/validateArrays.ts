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

/**
 * Checks the arrays of one attempt.
 * @param lengths in bytes, by column; one that is NULL is not checked
 * @param expanded counts on over the attempts
 * @throws FieldError with the rule and where it is broken
 */
export function checkLengths(db: Db, table: string, attempt: number, lengths: Record<string, number>, expanded: Expanded): void {
  const refuse = (rule: string): never => {
    throw new FieldError('recording', rule, `${table} of attempt ${attempt}`);
  };
  const packs = hasPacked(db);
  const wrong = Object.entries(lengths).map(([column, length]) => {
    const isLong =
      packs && PACKED_COLUMNS.includes(column) ? `packed = 0 AND length(${column}) <> ${length}` : `length(${column}) <> ${length}`;
    return `${column} IS NOT NULL AND (typeof(${column}) <> 'blob' OR ${isLong})`;
  });
  const found = db.prepare(`SELECT 1 AS found FROM ${table} WHERE attempt = ? AND (${wrong.join(' OR ')}) LIMIT 1`).get(attempt);
  if (found !== undefined) refuse('must hold as many values at each step as it has connections');
  if (!packs) return;
  const columns = PACKED_COLUMNS.filter((column) => column in lengths);
  const packed = db.prepare(`SELECT ${columns.join(', ')} FROM ${table} WHERE attempt = ? AND packed = 1`);
  for (const row of packed.iterate(attempt) as Iterable<Record<string, SqlBlob>>) {
    for (const column of columns) {
      const bytes = expandedBytes(row[column], lengths[column]);
      if (bytes !== lengths[column]) refuse('must hold packed arrays of as many values as it has connections');
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
