/** Gains and deviations of mixing matrices (src/README.md, "Stability measures"): per token, then averaged. Nothing about products. */

/** Of matrices that act as out_i = Σ_j H_ij x_j: rows are destinations, columns are sources. */
export interface Gains {
  /** max_i |Σ_j H_ij|, mean over tokens. */
  forward: number;
  /** max_j |Σ_i H_ij|, mean over tokens. */
  backward: number;
  /** max_i Σ_j |H_ij|, mean over tokens: the operator norm that `forward` may miss when entries have signs. */
  forwardBound: number;
  backwardBound: number;
  /** Mean over tokens of the largest |row sum − 1|. */
  rowDeviationMean: number;
  columnDeviationMean: number;
  /** Largest |row sum − 1| of any token. */
  rowDeviationMax: number;
  columnDeviationMax: number;
  minEntry: number;
  /** Mean over tokens of the smallest row sum: the attenuation that a maximum hides. */
  rowSumMin: number;
  columnSumMin: number;
}

/** Those that are summed over the tokens first. */
const MEANS = [
  ...(['forward', 'backward', 'forwardBound', 'backwardBound'] as const),
  ...(['rowDeviationMean', 'columnDeviationMean', 'rowSumMin', 'columnSumMin'] as const),
];

/** @returns how many matrices h holds @throws RangeError where it does not hold whole n × n ones, at least one */
export function checkMatrices(where: string, h: Float64Array, n: number): number {
  if (!Number.isInteger(n) || n < 1) throw new RangeError(`${where}: n must be a whole number from 1, got ${n}`);
  const tokens = h.length / (n * n);
  if (tokens < 1 || !Number.isInteger(tokens)) {
    throw new RangeError(`${where}: h must hold whole ${n} × ${n} matrices, at least one, got ${h.length} values`);
  }
  return tokens;
}

/**
 * Gains, bounds, deviations and extremes of mixing matrices.
 * A NaN entry makes every value NaN that it enters, and so does Inf − Inf; an infinite entry makes gains and bounds
 * Infinity. Nothing hides them: Math.max and Math.min carry NaN on.
 * @param h `[tokens, n, n]` row-major; one matrix is tokens = 1
 * @throws RangeError if h does not hold whole matrices
 * @example gains(Float64Array.of(1, 0.5, 0, 0.5), 2).forward // 1.5, and backward 1
 */
export function gains(h: Float64Array, n: number): Gains {
  const tokens = checkMatrices('gains', h, n);
  const out: Gains = {
    forward: 0,
    backward: 0,
    forwardBound: 0,
    backwardBound: 0,
    rowDeviationMean: 0,
    columnDeviationMean: 0,
    rowDeviationMax: 0,
    columnDeviationMax: 0,
    minEntry: Number.POSITIVE_INFINITY,
    rowSumMin: 0,
    columnSumMin: 0,
  };
  for (let at = 0; at < h.length; at += n * n) {
    const row = lineSums(h, at, n, n, 1);
    out.forward += row.gain;
    out.forwardBound += row.bound;
    out.rowDeviationMean += row.deviation;
    out.rowDeviationMax = Math.max(out.rowDeviationMax, row.deviation);
    out.rowSumMin += row.smallest;
    const column = lineSums(h, at, n, 1, n);
    out.backward += column.gain;
    out.backwardBound += column.bound;
    out.columnDeviationMean += column.deviation;
    out.columnDeviationMax = Math.max(out.columnDeviationMax, column.deviation);
    out.columnSumMin += column.smallest;
    for (let i = at; i < at + n * n; i++) out.minEntry = Math.min(out.minEntry, h[i]);
  }
  for (const key of MEANS) out[key] /= tokens;
  return out;
}

/** Of the n lines of one matrix, each `across` apart with steps of `along`: extremes of the sums. */
function lineSums(h: Float64Array, at: number, n: number, across: number, along: number) {
  const out = { gain: 0, bound: 0, deviation: 0, smallest: Number.POSITIVE_INFINITY };
  for (let line = 0; line < n; line++) {
    let sum = 0;
    let absolute = 0;
    for (let k = 0; k < n; k++) {
      const value = h[at + line * across + k * along];
      sum += value;
      absolute += Math.abs(value);
    }
    out.gain = Math.max(out.gain, Math.abs(sum));
    out.bound = Math.max(out.bound, absolute);
    out.deviation = Math.max(out.deviation, Math.abs(sum - 1));
    out.smallest = Math.min(out.smallest, sum);
  }
  return out;
}
