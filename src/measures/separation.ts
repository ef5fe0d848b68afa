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
 * Singular values of Qᵀ P Q, Q `[n, n − 1]` an orthonormal basis of 1⊥ (Helmert's). Not bounded by 1 for free matrices.
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
  const basis = helmert(n);
  const half = new Float64Array(n * m);
  const small = new Float64Array(m * m);
  const values = new Float64Array(m);
  let smallest = 0;
  let mean = 0;
  for (let at = 0; at < p.length; at += n * n) {
    project(p, at, basis, half, small, n);
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

/** Column j of Q: (1, …, 1, −(j + 1), 0, …)/√((j + 1)(j + 2)). `[n, n − 1]` */
function helmert(n: number): Float64Array {
  const m = n - 1;
  const q = new Float64Array(n * m);
  for (let j = 0; j < m; j++) {
    const norm = Math.sqrt((j + 1) * (j + 2));
    for (let i = 0; i <= j; i++) q[i * m + j] = 1 / norm;
    q[(j + 1) * m + j] = -(j + 1) / norm;
  }
  return q;
}

/** small = Qᵀ P Q. */
function project(p: Float64Array, at: number, q: Float64Array, half: Float64Array, small: Float64Array, n: number): void {
  const m = n - 1;
  half.fill(0);
  small.fill(0);
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < n; k++) {
      const value = p[at + i * n + k];
      for (let j = 0; j < m; j++) half[i * m + j] += value * q[k * m + j];
    }
  }
  for (let k = 0; k < n; k++) {
    for (let i = 0; i < m; i++) {
      const value = q[k * m + i];
      for (let j = 0; j < m; j++) small[i * m + j] += value * half[k * m + j];
    }
  }
}
