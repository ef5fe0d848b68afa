/**
 * Sinkhorn–Knopp in float64, both conventions (src/README.md, "Sinkhorn–Knopp"), and its gradient: what every kernel is held
 * against, and the implementation of those on cpu. The gradient runs the half-steps again, then in reverse, and keeps one token's
 * iterates at a time, not the batch's.
 */

/** T of arXiv 2512.24880. */
export const DEFAULT_ITERATIONS = 20;

/** ε unless given: DeepSeek's kernels have 1e-6, the paper has none. */
export const defaultEpsilon = (convention: 'paper' | 'deepseek'): number => (convention === 'deepseek' ? 1e-6 : 0);

export interface SinkhornOptions {
  /** T, from 1; 20 unless given. */
  iterations?: number;
  /**
   * 'paper' (unless given): exp, then T times columns, rows; rows end exact. 'deepseek': softmax over rows + ε, columns,
   * then T − 1 times rows, columns → comb, and H_res = combᵀ.
   */
  convention?: 'paper' | 'deepseek';
  /** Added to the softmax and to every sum of 'deepseek'; 0 for 'paper' and 1e-6 for 'deepseek' unless given. */
  epsilon?: number;
}

interface SinkhornPlan {
  n: number;
  deepseek: boolean;
  epsilon: number;
  /** Half-steps. */
  steps: number;
}

/** Checks the arguments and fills in the defaults. @throws RangeError naming the argument, the rule and the value */
function sinkhornPlan(where: string, logits: Float64Array, n: number, options: SinkhornOptions): SinkhornPlan {
  const { iterations = DEFAULT_ITERATIONS, convention = 'paper', epsilon = defaultEpsilon(convention) } = options;
  const deepseek = convention === 'deepseek';
  if (!Number.isInteger(n) || n < 1) throw new RangeError(`${where}: n must be a whole number from 1, got ${n}`);
  if (logits.length % (n * n) !== 0) {
    throw new RangeError(`${where}: logits must hold whole ${n} × ${n} matrices, got ${logits.length} values`);
  }
  if (!Number.isInteger(iterations) || iterations < 1) {
    throw new RangeError(`${where}: iterations must be a whole number from 1, got ${iterations}`);
  }
  if (!deepseek && convention !== 'paper') {
    throw new RangeError(`${where}: convention must be 'paper' or 'deepseek', got ${String(convention)}`);
  }
  if (!(epsilon >= 0)) throw new RangeError(`${where}: epsilon must be at least 0, got ${epsilon}`);
  if (!deepseek && epsilon !== 0) throw new RangeError(`${where}: epsilon belongs to the deepseek convention, got ${epsilon} with 'paper'`);
  return { n, deepseek, epsilon, steps: deepseek ? 2 * iterations - 1 : 2 * iterations };
}

/** The k-th half-step divides by column sums (true) or row sums (false); there are 2 T (paper) or 2 T − 1 (deepseek). */
const dividesColumns = (k: number): boolean => k % 2 === 0;

/** Where the iteration starts: exp with each column's maximum taken off (paper), softmax of each row + ε (deepseek). Into `m`. */
function startMatrix(logits: Float64Array, at: number, m: Float64Array, { n, deepseek, epsilon }: SinkhornPlan): void {
  const along = deepseek ? 1 : n; // step within a line: along a row, or down a column
  const across = deepseek ? n : 1;
  for (let line = 0; line < n; line++) {
    let max = Number.NEGATIVE_INFINITY;
    for (let k = 0; k < n; k++) max = Math.max(max, logits[at + line * across + k * along]);
    let sum = 0;
    for (let k = 0; k < n; k++) {
      const i = line * across + k * along;
      m[i] = Math.exp(logits[at + i] - max);
      sum += m[i];
    }
    if (deepseek) for (let k = 0; k < n; k++) m[line * n + k] = m[line * n + k] / sum + epsilon;
  }
}

/** One half-step in place: every column (or row) divided by its sum + ε. The divisors go into `sums`. */
function normaliseLines(m: Float64Array, columns: boolean, sums: Float64Array, n: number, epsilon: number): void {
  const along = columns ? n : 1;
  const across = columns ? 1 : n;
  for (let line = 0; line < n; line++) {
    let sum = 0;
    for (let k = 0; k < n; k++) sum += m[line * across + k * along];
    sum += epsilon;
    sums[line] = sum;
    for (let k = 0; k < n; k++) m[line * across + k * along] /= sum;
  }
}

/** `H[i, j] = comb[j, i]` for the deepseek convention, a plain copy for the paper's. */
function orient(from: Float64Array, fromAt: number, to: Float64Array, toAt: number, { n, deepseek }: SinkhornPlan): void {
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) to[toAt + i * n + j] = from[fromAt + (deepseek ? j * n + i : i * n + j)];
  }
}

/**
 * H_res of every matrix of logits. O(tokens · T · n²).
 * NaN among a token's logits: all of its H_res may be NaN. +Inf: NaN in its line and then everywhere; −Inf is a zero
 * entry; a line of −Inf only is NaN.
 * @param logits `[..., n, n]` row-major: H̃_res ('paper'), or of comb ('deepseek')
 * @returns `[..., n, n]`, rows are destinations. 'paper': row sums 1 to rounding. 'deepseek': column sums 1 within ε.
 * @throws RangeError naming the argument, the rule and the value
 * @example sinkhorn(Float64Array.of(0, 0, 0, 0), 2) // [0.5, 0.5, 0.5, 0.5]
 */
export function sinkhorn(logits: Float64Array, n: number, options: SinkhornOptions = {}): Float64Array {
  const plan = sinkhornPlan('sinkhorn', logits, n, options);
  const out = new Float64Array(logits.length);
  const m = new Float64Array(n * n);
  const sums = new Float64Array(n);
  const { steps } = plan;
  for (let at = 0; at < logits.length; at += n * n) {
    startMatrix(logits, at, m, plan);
    for (let k = 0; k < steps; k++) normaliseLines(m, dividesColumns(k), sums, n, plan.epsilon);
    orient(m, 0, out, at, plan);
  }
  return out;
}

/**
 * ∂L/∂logits. One half-step B = A / d with d = Σ A + ε over the line gives gA = gB/d − Σ_line(gB ∘ A)/d².
 * O(tokens · T · n²).
 * @param logits `[..., n, n]`, as in `sinkhorn`
 * @param gradOut ∂L/∂H_res, the same shape
 * @throws RangeError naming the argument, the rule and the value
 */
export function sinkhornGradient(logits: Float64Array, gradOut: Float64Array, n: number, options: SinkhornOptions = {}): Float64Array {
  const plan = sinkhornPlan('sinkhornGradient', logits, n, options);
  if (gradOut.length !== logits.length) {
    throw new RangeError(`sinkhornGradient: gradOut must be as long as logits (${logits.length}), got ${gradOut.length}`);
  }
  const size = n * n;
  const { steps } = plan;
  const out = new Float64Array(logits.length);
  const m = new Float64Array(size);
  const g = new Float64Array(size);
  const iterates = Array.from({ length: steps }, () => new Float64Array(size)); // iterates[k]: before half-step k
  const divisors = Array.from({ length: steps }, () => new Float64Array(n));
  for (let at = 0; at < logits.length; at += size) {
    startMatrix(logits, at, m, plan);
    for (let k = 0; k < steps; k++) {
      iterates[k].set(m);
      normaliseLines(m, dividesColumns(k), divisors[k], n, plan.epsilon);
    }
    orient(gradOut, at, g, 0, plan);
    for (let k = steps - 1; k >= 0; k--) undoHalfStep(g, iterates[k], divisors[k], dividesColumns(k), n);
    startGradient(g, iterates[0], out, at, plan);
  }
  return out;
}

/** gB → gA in place. */
function undoHalfStep(g: Float64Array, before: Float64Array, divisors: Float64Array, columns: boolean, n: number): void {
  const along = columns ? n : 1;
  const across = columns ? 1 : n;
  for (let line = 0; line < n; line++) {
    const d = divisors[line];
    let inner = 0;
    for (let k = 0; k < n; k++) inner += g[line * across + k * along] * before[line * across + k * along];
    const shared = inner / (d * d);
    for (let k = 0; k < n; k++) g[line * across + k * along] = g[line * across + k * along] / d - shared;
  }
}

/**
 * Through the start: exp gives g ∘ M₀ (the column maximum cancels in the first half-step), softmax gives
 * p ∘ (g − Σ_row g ∘ p) with p = M₀ − ε.
 */
function startGradient(g: Float64Array, start: Float64Array, out: Float64Array, at: number, { n, deepseek, epsilon }: SinkhornPlan): void {
  for (let i = 0; i < n; i++) {
    let inner = 0;
    if (deepseek) for (let j = 0; j < n; j++) inner += g[i * n + j] * (start[i * n + j] - epsilon);
    for (let j = 0; j < n; j++) out[at + i * n + j] = (start[i * n + j] - epsilon) * (g[i * n + j] - inner);
  }
}
