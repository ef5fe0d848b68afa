/** Between typed arrays, numbers and what SQLite keeps. */

/** SQLite has no NaN (it becomes NULL): 'NaN' as text. ±Inf it keeps. */
export type SqlNumber = number | 'NaN' | null;

export const toSql = (value: number | null): SqlNumber => (Number.isNaN(value) ? 'NaN' : value);
export const fromSql = (value: SqlNumber): number | null => (value === 'NaN' ? Number.NaN : value);

export const blob = (values: Float32Array | Float64Array): Buffer => Buffer.from(values.buffer, values.byteOffset, values.byteLength);

/** As libsql hands it out: `all` gives an ArrayBuffer, `get` a Buffer, which may lie anywhere in a larger one. */
export type SqlBlob = ArrayBuffer | Uint8Array;

export const isBlob = (value: unknown): value is SqlBlob => value instanceof ArrayBuffer || value instanceof Uint8Array;
const aligned = (value: SqlBlob): ArrayBuffer => (value instanceof ArrayBuffer ? value : Uint8Array.from(value).buffer);

export const floats = (value: SqlBlob): Float32Array => new Float32Array(aligned(value));
export const doubles = (value: SqlBlob): Float64Array => new Float64Array(aligned(value));
