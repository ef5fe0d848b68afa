/** Between typed arrays, numbers and what SQLite keeps. */

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
