/**
 * How far apart a mixing matrix keeps the streams: singular values on the complement of the all-ones direction (src/README.md,
 * "Stability measures").
 */
import { checkMatrices } from './gains.ts';

/** Our choices: a 7 × 7 matrix takes fewer than ten sweeps; two columns are orthogonal within a few roundings of float64. */
const [MAX_SWEEPS, MAX_COSINE] = [30, 1e-15];

export interface Separation {
  /** Smallest singular value of Qᵀ P Q, mean over tokens: 1 keeps the streams apart, 0 has collapsed at least one difference. */
  smallest: number;
  /** Mean of its n − 1 singular values, mean over tokens. */
  mean: number;
}

/**
 * Singular values of Qᵀ P Q, Q `[n, n − 1]` an orthonormal basis of 1⊥ (Helmert's). Not bounded by 1 for free matrices.
 * One-sided Jacobi: accurate for small values too. n = 1 has no difference to keep: NaN. A token with a NaN or infinite
 * entry makes both NaN.
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
  let smallest = 0;
  let mean = 0;
  for (let at = 0; at < p.length; at += n * n) {
    project(p, at, basis, half, small, n);
    orthogonaliseColumns(small, m);
    let low = Number.POSITIVE_INFINITY;
    let total = 0;
    for (let j = 0; j < m; j++) {
      let square = 0;
      for (let i = 0; i < m; i++) square += small[i * m + j] ** 2;
      const value = Math.sqrt(square);
      low = Math.min(low, value);
      total += value;
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
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < m; j++) {
      let sum = 0;
      for (let k = 0; k < n; k++) sum += p[at + i * n + k] * q[k * m + j];
      half[i * m + j] = sum;
    }
  }
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < m; j++) {
      let sum = 0;
      for (let k = 0; k < n; k++) sum += q[k * m + i] * half[k * m + j];
      small[i * m + j] = sum;
    }
  }
}

/** Rotates the columns of a (m × m) until they are orthogonal; their norms are then the singular values (Hestenes 1958). */
function orthogonaliseColumns(a: Float64Array, m: number): void {
  for (let sweep = 0; sweep < MAX_SWEEPS; sweep++) {
    let rotated = false;
    for (let j = 0; j < m - 1; j++) {
      for (let k = j + 1; k < m; k++) if (rotate(a, m, j, k)) rotated = true;
    }
    if (!rotated) return;
  }
}

function rotate(a: Float64Array, m: number, j: number, k: number): boolean {
  let jj = 0;
  let kk = 0;
  let jk = 0;
  for (let i = 0; i < m; i++) {
    const x = a[i * m + j];
    const y = a[i * m + k];
    jj += x * x;
    kk += y * y;
    jk += x * y;
  }
  // Written so that NaN ends the sweeps.
  if (!(Math.abs(jk) > MAX_COSINE * Math.sqrt(jj * kk))) return false;
  const zeta = (kk - jj) / (2 * jk);
  const t = (zeta >= 0 ? 1 : -1) / (Math.abs(zeta) + Math.sqrt(1 + zeta * zeta));
  const c = 1 / Math.sqrt(1 + t * t);
  const s = c * t;
  for (let i = 0; i < m; i++) {
    const x = a[i * m + j];
    const y = a[i * m + k];
    a[i * m + j] = c * x - s * y;
    a[i * m + k] = s * x + c * y;
  }
  return true;
}
