/** Products of the mixing matrices over the depth, per token, and their gains: how a signal and a gradient are amplified so far. */
import { type Gains, gains } from './gains.ts';

/**
 * Prefix products P_l = H_l ⋯ H_0 of every token, as one array in the layout of h.
 * @param h `[layers, tokens, n, n]` row-major
 * @throws RangeError if the length does not fit
 */
export function prefixProducts(h: Float64Array, layers: number, tokens: number, n: number): Float64Array {
  check('prefixProducts', h, layers, tokens, n);
  const out = h.slice();
  const size = n * n;
  for (let at = tokens * size; at < h.length; at += size) multiply(h, at, out, at - tokens * size, out, at, n);
  return out;
}

/** Suffix products S_l = H_{L−1} ⋯ H_l, likewise. */
export function suffixProducts(h: Float64Array, layers: number, tokens: number, n: number): Float64Array {
  check('suffixProducts', h, layers, tokens, n);
  const out = h.slice();
  const size = n * n;
  for (let at = (layers - 1) * tokens * size - size; at >= 0; at -= size) multiply(out, at + tokens * size, h, at, out, at, n);
  return out;
}

/**
 * Gains of the products: `prefix[0]` is of H_0, `suffix[L − 1]` of H_{L−1}. The composite forward gain at l is
 * `prefix[l].forward`, the composite backward gain (the gradient that reaches l) is `suffix[l].backward`.
 * NaN and ±Inf go on as arithmetic has it: one NaN token makes the means NaN. O(layers · tokens · n³).
 * @param h `[layers, tokens, n, n]` row-major
 * @throws RangeError if the length does not fit
 */
export function compositeGains(h: Float64Array, layers: number, tokens: number, n: number): { prefix: Gains[]; suffix: Gains[] } {
  const size = tokens * n * n;
  const perLayer = (products: Float64Array) =>
    Array.from({ length: layers }, (_, l) => gains(products.subarray(l * size, (l + 1) * size), n));
  return { prefix: perLayer(prefixProducts(h, layers, tokens, n)), suffix: perLayer(suffixProducts(h, layers, tokens, n)) };
}

/** c = a b, each n × n at its offset; c may be where neither a nor b is. */
function multiply(a: Float64Array, aAt: number, b: Float64Array, bAt: number, c: Float64Array, cAt: number, n: number): void {
  c.fill(0, cAt, cAt + n * n);
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < n; k++) {
      const value = a[aAt + i * n + k];
      for (let j = 0; j < n; j++) c[cAt + i * n + j] += value * b[bAt + k * n + j];
    }
  }
}

function check(where: string, h: Float64Array, layers: number, tokens: number, n: number): void {
  if (h.length !== layers * tokens * n * n || layers < 1 || tokens < 1 || n < 1) {
    throw new RangeError(`${where}: h must be [layers, tokens, n, n], got ${h.length} values for [${layers}, ${tokens}, ${n}, ${n}]`);
  }
}
