/** Random matrices for property tests, and plain arithmetic on row-major n × n ones. */
import fc from 'fast-check';

/** A number within ±max. */
export const finite = (max: number) => fc.double({ min: -max, max, noNaN: true });
/** An n × n matrix of such. */
export const matrix = (n: number, max = 4) =>
  fc.array(finite(max), { minLength: n * n, maxLength: n * n }).map((v) => Float64Array.from(v));
/** n from 1 to 8, and a matrix of that size. */
export const sized = (max?: number) => fc.integer({ min: 1, max: 8 }).chain((n) => fc.tuple(fc.constant(n), matrix(n, max)));
/** 0 … n − 1 in any order. */
export const permutation = (n: number) => fc.shuffledSubarray([...Array(n).keys()], { minLength: n, maxLength: n });

/** [n] */
export const rowSums = (h: Float64Array, n: number) =>
  Array.from({ length: n }, (_, i) => h.slice(i * n, i * n + n).reduce((a, b) => a + b, 0));
/** [n] */
export const columnSums = (h: Float64Array, n: number) => rowSums(transposed(h, n), n);
/** Rows in the order of p, columns in that of q. */
export const permuted = (h: Float64Array, n: number, p: number[], q: number[]) => h.map((_, k) => h[p[Math.floor(k / n)] * n + q[k % n]]);
/** Rows for columns, of every matrix. @param h [..., n, n] */
export const transposed = (h: Float64Array, n: number) => {
  const size = n * n;
  return h.map((_, k) => h[k - (k % size) + (k % n) * n + Math.floor((k % size) / n)]);
};
/** a b */
export const product = (a: Float64Array, b: Float64Array, n: number) =>
  a.map((_, k) => Array.from({ length: n }, (_, m) => a[Math.floor(k / n) * n + m] * b[m * n + (k % n)]).reduce((x, y) => x + y, 0));
