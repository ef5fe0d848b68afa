/** Between typed arrays, numbers and what SQLite keeps: pure, no database. Big arrays that are mostly NaN are deflated (pack, unpack). */
import { deflateRawSync, inflateRawSync } from 'node:zlib';

/** SQLite has no NaN (it becomes NULL): 'NaN' as text. ±Inf it keeps. */
export type SqlNumber = number | 'NaN' | null;

/** A number as a column keeps it. */
export const toSql = (value: number | null): SqlNumber => (Number.isNaN(value) ? 'NaN' : value);
/** A number from its column; null: not known. */
export const fromSql = (value: SqlNumber): number | null => (value === 'NaN' ? Number.NaN : value);

/** The bytes of an array, little-endian, without a copy. */
export const blob = (values: Float32Array | Float64Array): Buffer => Buffer.from(values.buffer, values.byteOffset, values.byteLength);

/** As libsql hands it out: `all` gives an ArrayBuffer, `get` a Buffer, which may lie anywhere in a larger one. */
export type SqlBlob = ArrayBuffer | Uint8Array;

/** Is the value of a column a BLOB, rather than a number, a text or NULL? */
export const isBlob = (value: unknown): value is SqlBlob => value instanceof ArrayBuffer || value instanceof Uint8Array;
const aligned = (value: SqlBlob): ArrayBuffer => (value instanceof ArrayBuffer ? value : Uint8Array.from(value).buffer);

/** A BLOB as float32 values; a view of it where it is an ArrayBuffer. */
export const floats = (value: SqlBlob): Float32Array => new Float32Array(aligned(value));
/** A BLOB as float64 values; a view of it where it is an ArrayBuffer. */
export const doubles = (value: SqlBlob): Float64Array => new Float64Array(aligned(value));

/** From which share of NaN on arrays are deflated. Our choice: below it they are measured values, which hardly become smaller. */
const MIN_NAN_SHARE = 1 / 4;

/** The large arrays of a row as they are kept; `packed` is the column of that name, for all of them. */
export interface Packed {
  packed: 0 | 1;
  blobs: Buffer[];
}

/**
 * The bytes of arrays that stand in one row: deflated (raw) where at least a quarter of their values is NaN, as of measures that were
 * never sent and the mapping of a step that has none. So a row costs what is known, not what could be.
 */
export function pack(arrays: readonly Float32Array[]): Packed {
  let values = 0;
  let nans = 0;
  for (const array of arrays) {
    values += array.length;
    for (let i = 0; i < array.length; i++) if (Number.isNaN(array[i])) nans++;
  }
  if (values === 0 || nans < values * MIN_NAN_SHARE) return { packed: 0, blobs: arrays.map(blob) };
  const blobs: Buffer[] = [];
  // Of a bucket with one step minimum and maximum are the same: half of the work, as each deflation begins with 50 µs.
  for (const bytes of arrays.map(blob)) {
    const isSame = blobs.length > 0 && bytes.equals(blob(arrays[blobs.length - 1]));
    blobs.push(isSame ? blobs[blobs.length - 1] : deflateRawSync(bytes, { level: 1 }));
  }
  return { packed: 1, blobs };
}

/**
 * A BLOB that `pack` made, as float32 values.
 * @param packed the row's column; not there before version 6
 * @param most values of a deflated one: no more memory is taken, whatever the BLOB says
 * @throws RangeError where a deflated one has more, Error where it is not deflated
 */
export function unpack(value: SqlBlob, packed: number | undefined, most: number): Float32Array {
  if (packed !== 1) return floats(value);
  return floats(inflateRawSync(value, { maxOutputLength: Math.max(1, most * Float32Array.BYTES_PER_ELEMENT) }));
}
