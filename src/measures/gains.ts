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
  let minEntry = Number.POSITIVE_INFINITY;
  for (let i = 0; i < h.length; i++) minEntry = Math.min(minEntry, h[i]);
  const rows = linesOf(h, n, n, 1);
  const columns = linesOf(h, n, 1, n);
  return {
    forward: rows.gain / tokens,
    backward: columns.gain / tokens,
    forwardBound: rows.bound / tokens,
    backwardBound: columns.bound / tokens,
    rowDeviationMean: rows.deviation / tokens,
    columnDeviationMean: columns.deviation / tokens,
    rowDeviationMax: rows.largestDeviation,
    columnDeviationMax: columns.largestDeviation,
    minEntry,
    rowSumMin: rows.smallest / tokens,
    columnSumMin: columns.smallest / tokens,
  };
}

/** Extremes of the sums of a matrix's n lines, each `across` apart with steps of `along`, added up over the matrices. */
function linesOf(h: Float64Array, n: number, across: number, along: number) {
  const out = { gain: 0, bound: 0, deviation: 0, largestDeviation: 0, smallest: 0 };
  for (let at = 0; at < h.length; at += n * n) {
    let gain = 0;
    let bound = 0;
    let deviation = 0;
    let smallest = Number.POSITIVE_INFINITY;
    for (let line = 0; line < n; line++) {
      let sum = 0;
      let absolute = 0;
      for (let k = 0; k < n; k++) {
        const value = h[at + line * across + k * along];
        sum += value;
        absolute += Math.abs(value);
      }
      gain = Math.max(gain, Math.abs(sum));
      bound = Math.max(bound, absolute);
      deviation = Math.max(deviation, Math.abs(sum - 1));
      smallest = Math.min(smallest, sum);
    }
    out.gain += gain;
    out.bound += bound;
    out.deviation += deviation;
    out.largestDeviation = Math.max(out.largestDeviation, deviation);
    out.smallest += smallest;
  }
  return out;
}
