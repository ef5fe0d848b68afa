/** The gradient of Sinkhorn–Knopp: the half-steps again, then in reverse. Keeps one token's iterates at a time, not the batch's. */
import { dividesColumns, halfSteps, normaliseLines, orient, type SinkhornOptions, sinkhornPlan, startMatrix } from './sinkhornKnopp.ts';

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
  const steps = halfSteps(plan);
  const out = new Float64Array(logits.length);
  const m = new Float64Array(size);
  const g = new Float64Array(size);
  const sums = new Float64Array(n);
  const iterates = new Float64Array((steps + 1) * size); // iterates[k]: before half-step k
  const divisors = new Float64Array(steps * n);
  for (let at = 0; at < logits.length; at += size) {
    startMatrix(logits, at, m, plan);
    for (let k = 0; k < steps; k++) {
      iterates.set(m, k * size);
      normaliseLines(m, dividesColumns(k), sums, n, plan.epsilon);
      divisors.set(sums, k * n);
    }
    orient(gradOut, at, g, 0, plan);
    for (let k = steps - 1; k >= 0; k--) undoHalfStep(g, iterates, k * size, divisors, k * n, dividesColumns(k), n);
    startGradient(g, iterates, out, at, n, plan.deepseek, plan.epsilon);
  }
  return out;
}

/** gB → gA in place. */
function undoHalfStep(
  g: Float64Array,
  iterates: Float64Array,
  at: number,
  divisors: Float64Array,
  divisorAt: number,
  columns: boolean,
  n: number,
): void {
  const along = columns ? n : 1;
  const across = columns ? 1 : n;
  for (let line = 0; line < n; line++) {
    const d = divisors[divisorAt + line];
    let inner = 0;
    for (let k = 0; k < n; k++) inner += g[line * across + k * along] * iterates[at + line * across + k * along];
    const shared = inner / (d * d);
    for (let k = 0; k < n; k++) g[line * across + k * along] = g[line * across + k * along] / d - shared;
  }
}

/**
 * Through the start: exp gives g ∘ M₀ (the column maximum cancels in the first half-step), softmax gives
 * p ∘ (g − Σ_row g ∘ p) with p = M₀ − ε.
 */
function startGradient(
  g: Float64Array,
  start: Float64Array,
  out: Float64Array,
  at: number,
  n: number,
  deepseek: boolean,
  epsilon: number,
): void {
  for (let i = 0; i < n; i++) {
    let inner = 0;
    if (deepseek) for (let j = 0; j < n; j++) inner += g[i * n + j] * (start[i * n + j] - epsilon);
    for (let j = 0; j < n; j++) out[at + i * n + j] = (start[i * n + j] - epsilon) * (g[i * n + j] - inner);
  }
}
