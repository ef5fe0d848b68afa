/**
 * How far apart a mixing matrix keeps the streams: singular values on the complement of the all-ones direction (src/README.md,
 * "Stability measures").
 */
import { checkMatrices } from './gains.ts';
import { singularValues } from './singularValues.ts';

export interface Separation {
  /** Smallest singular value of Qᵀ P Q, mean over tokens: 1 keeps the streams apart, 0 has collapsed at least one difference. */
  smallest: number;
  /** Mean of its n − 1 singular values, mean over tokens. */
  mean: number;
}

/**
 * Singular values of Qᵀ P Q, Q `[n, n − 1]` an orthonormal basis of 1⊥: whichever, they are the same. Not bounded by 1 for free matrices.
 * Up to 8 streams small values are accurate too, above to 1e-15 of the largest. n = 1 has no difference to keep: NaN. A token with a NaN or
 * infinite entry makes both NaN.
 * @param p `[tokens, n, n]` row-major, usually prefix products
 * @throws RangeError if p does not hold whole matrices
 * @example separation(Float64Array.of(0, 1, 1, 0), 2).smallest // 1: a swap
 */
export function separation(p: Float64Array, n: number): Separation {
  const tokens = checkMatrices('separation', p, n);
  if (n === 1) return { smallest: Number.NaN, mean: Number.NaN };
  const m = n - 1;
  const reflection = onesReflection(n);
  const small = new Float64Array(m * m);
  const values = new Float64Array(m);
  let smallest = 0;
  let mean = 0;
  for (let at = 0; at < p.length; at += n * n) {
    project(p, at, reflection, small);
    singularValues(small, m, values);
    let low = Number.POSITIVE_INFINITY;
    let total = 0;
    for (let j = 0; j < m; j++) {
      low = Math.min(low, values[j]);
      total += values[j];
    }
    smallest += Number.isFinite(total) ? low : Number.NaN;
    mean += Number.isFinite(total) ? total / m : Number.NaN;
  }
  return { smallest: smallest / tokens, mean: mean / tokens };
}

/** A reflection I − β w wᵀ. */
interface Reflection {
  w: Float64Array;
  beta: number;
}

/** The one that takes (1, …, 1)/√n to (1, 0, …, 0): its columns behind the first are a basis of 1⊥. For n > 1. */
function onesReflection(n: number): Reflection {
  const side = 1 / Math.sqrt(n);
  return { w: new Float64Array(n).fill(side).fill(side - 1, 0, 1), beta: 1 / (1 - side) };
}

/** small = Qᵀ P Q: of (I − β w wᵀ) P (I − β w wᵀ) all but the first row and column. O(n²). */
function project(p: Float64Array, at: number, { w, beta }: Reflection, small: Float64Array): void {
  const n = w.length;
  const rows = new Float64Array(n);
  const columns = new Float64Array(n);
  let both = 0;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      const value = p[at + i * n + j];
      rows[i] += value * w[j];
      columns[j] += value * w[i];
    }
    both += w[i] * rows[i];
  }
  for (let j = 0; j < n; j++) columns[j] -= beta * w[j] * both;
  for (let i = 1; i < n; i++) {
    for (let j = 1; j < n; j++) small[(i - 1) * (n - 1) + j - 1] = p[at + i * n + j] - beta * (rows[i] * w[j] + w[i] * columns[j]);
  }
}
