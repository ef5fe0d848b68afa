/**
 * Measures of routing and of the streams themselves (src/README.md, "Stability measures"): entropy of H_res, rank and norms from the
 * streams' Gram matrix, range of the logits. All throw a RangeError where they do not get whole matrices.
 */
import { checkMatrices } from './gains.ts';

/**
 * Mean over tokens and rows of −Σ_j p_j ln p_j / ln n with p = |H_ij| / Σ_j |H_ij|: 0 routes hard, 1 mixes evenly.
 * n = 1: NaN. A row of zeros or with a NaN: NaN.
 * @param h `[tokens, n, n]` row-major
 */
export function routingEntropy(h: Float64Array, n: number): number {
  checkMatrices('routingEntropy', h, n);
  if (n === 1) return Number.NaN;
  let total = 0;
  for (let at = 0; at < h.length; at += n) {
    let sum = 0;
    for (let j = 0; j < n; j++) sum += Math.abs(h[at + j]);
    for (let j = 0; j < n; j++) {
      const p = Math.abs(h[at + j]) / sum;
      if (p !== 0) total -= p * Math.log(p);
    }
  }
  return total / ((h.length / n) * Math.log(n));
}

/**
 * (tr G)² / ‖G‖² of the Gram matrix G = x xᵀ of n streams, mean over tokens: 1 (all alike) to n (orthogonal, of equal norm).
 * @param grams `[tokens, n, n]` row-major; a token of zeros gives NaN
 */
export function effectiveRank(grams: Float64Array, n: number): number {
  return meanOfTokens('effectiveRank', grams, n, (at) => {
    let squares = 0;
    for (let i = at; i < at + n * n; i++) squares += grams[i] * grams[i];
    return trace(grams, at, n) ** 2 / squares;
  });
}

/** Largest over smallest norm of the n streams, mean over tokens; 1 for n = 1. @param grams `[tokens, n, n]` */
export function streamNormRatio(grams: Float64Array, n: number): number {
  return meanOfTokens('streamNormRatio', grams, n, (at) => {
    let low = Number.POSITIVE_INFINITY;
    let high = 0;
    for (let i = 0; i < n; i++) {
      const square = grams[at + i * (n + 1)];
      low = Math.min(low, square);
      high = Math.max(high, square);
    }
    return Math.sqrt(high / low);
  });
}

/**
 * ‖x'‖ / ‖x‖, mean over tokens.
 * @param grams Gram matrices of x', `[tokens, n, n]`  @param inputSquares ‖x‖², `[tokens]`
 */
export function activationGain(grams: Float64Array, inputSquares: Float64Array, n: number): number {
  return meanOfTokens('activationGain', grams, n, (at) => Math.sqrt(trace(grams, at, n) / inputSquares[at / (n * n)]));
}

/** Largest max − min of the logits of one token. In nats. Above 30 Sinkhorn does not converge. @param logits `[tokens, n, n]` */
export function logitRange(logits: Float64Array, n: number): number {
  checkMatrices('logitRange', logits, n);
  let range = 0;
  for (let at = 0; at < logits.length; at += n * n) {
    let low = Number.POSITIVE_INFINITY;
    let high = Number.NEGATIVE_INFINITY;
    for (let i = at; i < at + n * n; i++) {
      low = Math.min(low, logits[i]);
      high = Math.max(high, logits[i]);
    }
    range = Math.max(range, high - low);
  }
  return range;
}

/** @param of from where a token's matrix begins */
function meanOfTokens(where: string, grams: Float64Array, n: number, of: (at: number) => number): number {
  const tokens = checkMatrices(where, grams, n);
  let total = 0;
  for (let at = 0; at < grams.length; at += n * n) total += of(at);
  return total / tokens;
}

function trace(grams: Float64Array, at: number, n: number): number {
  let sum = 0;
  for (let i = 0; i < n; i++) sum += grams[at + i * (n + 1)];
  return sum;
}
