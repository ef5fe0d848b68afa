/**
 * Singular values of a square matrix: one-sided Jacobi where it is small, which is accurate for small values too; Golub–Kahan–Reinsch where
 * it is larger (Golub & Reinsch 1970), whose cost grows with n³ once and not with each sweep, and whose errors are of the largest value.
 */

/** Largest matrix for Jacobi. Our choice: from 9 streams on the other is faster. */
const MAX_JACOBI = 7;
/** Our choices: a 7 × 7 matrix takes fewer than ten sweeps; two columns are orthogonal within a few roundings of float64. */
const [MAX_SWEEPS, MAX_COSINE] = [30, 1e-15];
/** Of one value. Two or three are usual. */
const MAX_STEPS = 60;
const EPSILON = 2 ** -52;
/** Squares that are nothing beside the largest entry's, which is 1: below what rounding does, and far above where they underflow. */
const NOTHING = 2 ** -120;

/**
 * Singular values of a, in no order. NaN or infinite entries give NaN or infinite values, or such values elsewhere.
 * @param a `[m, m]` row-major; is overwritten
 * @param out `[m]`
 */
export function singularValues(a: Float64Array, m: number, out: Float64Array): void {
  if (m > MAX_JACOBI) {
    bidiagonalValues(a, m, out);
    return;
  }
  orthogonaliseColumns(a, m);
  for (let j = 0; j < m; j++) {
    let square = 0;
    for (let i = 0; i < m; i++) square += a[i * m + j] ** 2;
    out[j] = Math.sqrt(square);
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

/** Reflections make a bidiagonal, then shifted QR steps make its upper diagonal vanish. */
function bidiagonalValues(a: Float64Array, m: number, d: Float64Array): void {
  let most = 0;
  for (let at = 0; at < m * m; at++) most = Math.max(most, Math.abs(a[at]));
  if (!(most > 0 && most < Number.POSITIVE_INFINITY)) {
    d.fill(most === 0 ? 0 : Number.NaN);
    return;
  }
  for (let at = 0; at < m * m; at++) a[at] /= most;
  const e = new Float64Array(m);
  const sums = new Float64Array(m);
  for (let k = 0; k < m; k++) {
    d[k] = reflectColumn(a, m, k, sums);
    if (k < m - 1) e[k + 1] = reflectRow(a, m, k);
  }
  let norm = 0;
  for (let k = 0; k < m; k++) norm = Math.max(norm, Math.abs(d[k]) + Math.abs(e[k]));
  for (let k = m - 1; k >= 0; k--) {
    for (let step = 0; step < MAX_STEPS; step++) {
      const low = split(d, e, k, EPSILON * norm);
      if (low === k) break;
      stepOf(d, e, low, k);
    }
    d[k] = most * Math.abs(d[k]);
  }
}

/** Makes column k vanish below its diagonal. @returns the diagonal @param sums scratch, [m] */
function reflectColumn(a: Float64Array, m: number, k: number, sums: Float64Array): number {
  let square = 0;
  for (let i = k; i < m; i++) square += a[i * m + k] ** 2;
  if (square < NOTHING) return 0;
  const first = a[k * m + k];
  const value = first > 0 ? -Math.sqrt(square) : Math.sqrt(square);
  const scale = 1 / (square - first * value);
  a[k * m + k] = first - value;
  sums.fill(0);
  for (let i = k; i < m; i++) {
    const v = a[i * m + k];
    for (let j = k + 1; j < m; j++) sums[j] += v * a[i * m + j];
  }
  for (let i = k; i < m; i++) {
    const v = scale * a[i * m + k];
    for (let j = k + 1; j < m; j++) a[i * m + j] -= v * sums[j];
  }
  return value;
}

/** Makes row k vanish behind the entry beside its diagonal. @returns that entry */
function reflectRow(a: Float64Array, m: number, k: number): number {
  let square = 0;
  for (let j = k + 1; j < m; j++) square += a[k * m + j] ** 2;
  if (square < NOTHING) return 0;
  const first = a[k * m + k + 1];
  const value = first > 0 ? -Math.sqrt(square) : Math.sqrt(square);
  const scale = 1 / (square - first * value);
  a[k * m + k + 1] = first - value;
  for (let i = k + 1; i < m; i++) {
    let sum = 0;
    for (let j = k + 1; j < m; j++) sum += a[k * m + j] * a[i * m + j];
    sum *= scale;
    for (let j = k + 1; j < m; j++) a[i * m + j] -= sum * a[k * m + j];
  }
  return value;
}

/** Where the block that ends at k begins: e is nothing there, or is made so as d before it is. */
function split(d: Float64Array, e: Float64Array, k: number, nothing: number): number {
  let low = k;
  while (low > 0 && Math.abs(e[low]) > nothing) {
    if (Math.abs(d[low - 1]) <= nothing) {
      cancel(d, e, low, k, nothing);
      return low;
    }
    low--;
  }
  return low;
}

/** Rotates e[low] out of the matrix, beside a diagonal that is nothing. */
function cancel(d: Float64Array, e: Float64Array, low: number, k: number, nothing: number): void {
  let c = 0;
  let s = 1;
  for (let i = low; i <= k; i++) {
    const f = s * e[i];
    e[i] *= c;
    if (Math.abs(f) <= nothing) return;
    const g = d[i];
    const h = Math.hypot(f, g);
    d[i] = h;
    c = g / h;
    s = -f / h;
  }
}

/** One QR step on the block from low to k, shifted by an eigenvalue of its last 2 × 2. */
function stepOf(d: Float64Array, e: Float64Array, low: number, k: number): void {
  let x = d[low];
  let y = d[k - 1];
  let g = e[k - 1];
  let h = e[k];
  const z = d[k];
  let f = ((y - z) * (y + z) + (g - h) * (g + h)) / (2 * h * y);
  g = Math.sqrt(f * f + 1);
  f = ((x - z) * (x + z) + h * (y / (f + (f >= 0 ? g : -g)) - h)) / x;
  let c = 1;
  let s = 1;
  for (let j = low; j < k; j++) {
    g = e[j + 1];
    y = d[j + 1];
    h = s * g;
    g *= c;
    const first = Math.sqrt(f * f + h * h);
    e[j] = first;
    c = first === 0 ? 1 : f / first;
    s = first === 0 ? 0 : h / first;
    f = x * c + g * s;
    g = g * c - x * s;
    h = y * s;
    y *= c;
    const second = Math.sqrt(f * f + h * h);
    d[j] = second;
    if (second !== 0) {
      c = f / second;
      s = h / second;
    }
    f = c * g + s * y;
    x = c * y - s * g;
  }
  e[low] = 0;
  e[k] = f;
  d[k] = x;
}
