/** Between typed arrays, numbers and what SQLite keeps. */

/** SQLite has no NaN (it becomes NULL): 'NaN' as text. ±Inf it keeps. */
export type SqlNumber = number | 'NaN' | null;

export const toSql = (value: number | null): SqlNumber => (Number.isNaN(value) ? 'NaN' : value);
export const fromSql = (value: SqlNumber): number | null => (value === 'NaN' ? Number.NaN : value);

export const blob = (values: Float32Array | Float64Array): Buffer => Buffer.from(values.buffer, values.byteOffset, values.byteLength);

/** libsql returns a BLOB as an ArrayBuffer of its own. */
export const floats = (buffer: ArrayBuffer): Float32Array => new Float32Array(buffer);
export const doubles = (buffer: ArrayBuffer): Float64Array => new Float64Array(buffer);
