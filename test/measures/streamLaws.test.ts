/** Laws of what is measured of the streams: separation, entropy of routing, rank and norms. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { activationGain, effectiveRank, logitRange, routingEntropy, separation, streamNormRatio } from '../../src/measures/index.ts';
import { finite, matrix, permutation, product } from '../support/matrices.ts';

describe('separation', () => {
  it('is 1 for a permutation, 0 for uniform mixing, NaN for one stream', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 8 }).chain((n) => fc.tuple(fc.constant(n), permutation(n))),
        ([n, p]) => {
          const { smallest, mean } = separation(
            Float64Array.from({ length: n * n }, (_, k) => (p[Math.floor(k / n)] === k % n ? 1 : 0)),
            n,
          );
          expect(smallest).toBeCloseTo(1, 12);
          expect(mean).toBeCloseTo(1, 12);
          expect(separation(new Float64Array(n * n).fill(1 / n), n).smallest).toBeLessThan(1e-15);
        },
      ),
    );
    expect(separation(Float64Array.of(1), 1)).toEqual({ smallest: Number.NaN, mean: Number.NaN });
  });

  it('agrees with invariants: the squares of the singular values sum to ‖Qᵀ P Q‖², and n = 2 has |a − b| closed form', () => {
    fc.assert(
      fc.property(finite(3), finite(3), finite(3), finite(3), (a, b, c, d) => {
        // Q = (1, −1)/√2: Qᵀ P Q = (a − b − c + d)/2.
        expect(separation(Float64Array.of(a, b, c, d), 2).smallest).toBeCloseTo(Math.abs(a - b - c + d) / 2, 12);
      }),
    );
    fc.assert(
      fc.property(
        fc.integer({ min: 3, max: 8 }).chain((n) => fc.tuple(fc.constant(n), matrix(n))),
        ([n, h]) => {
          // For any orthonormal Q of 1⊥, ‖QᵀPQ‖² = ‖C P C‖² with C = I − 11ᵀ/n; the mean of the values lies between.
          const c = Float64Array.from({ length: n * n }, (_, k) => (k % (n + 1) === 0 ? 1 : 0) - 1 / n);
          const norm = Math.sqrt(product(product(c, h, n), c, n).reduce((s, v) => s + v * v, 0));
          const { smallest, mean } = separation(h, n);
          expect(mean * (n - 1)).toBeGreaterThanOrEqual(norm - 1e-9);
          expect(mean * Math.sqrt(n - 1)).toBeLessThanOrEqual(norm + 1e-9);
          expect(smallest).toBeLessThanOrEqual(norm / Math.sqrt(n - 1) + 1e-9);
        },
      ),
    );
  });

  it('is the known value for a scaled projector and NaN for a broken matrix', () => {
    // P = I − t·vvᵀ with v ⊥ 1: one singular value |1 − t|, the others 1.
    const v = [1, -1, 0, 0].map((x) => x / Math.SQRT2);
    const p = Float64Array.from({ length: 16 }, (_, k) => (k % 5 === 0 ? 1 : 0) - 0.75 * v[k >> 2] * v[k % 4]);
    expect(separation(p, 4).smallest).toBeCloseTo(0.25, 12);
    expect(separation(p, 4).mean).toBeCloseTo(2.25 / 3, 12);
    expect(separation(p.with(3, Number.NaN), 4).smallest).toBeNaN();
    expect(separation(p.with(3, Number.POSITIVE_INFINITY), 4).smallest).toBeNaN();
  });
});

describe('streams', () => {
  it('entropy: 0 for a permutation, 1 for uniform rows', () => {
    expect(routingEntropy(Float64Array.of(0, 1, 1, 0), 2)).toBe(0);
    expect(routingEntropy(new Float64Array(9).fill(1 / 3), 3)).toBeCloseTo(1, 12);
    expect(routingEntropy(Float64Array.of(1), 1)).toBeNaN();
  });

  it('effective rank and norm ratio from Gram matrices', () => {
    expect(effectiveRank(Float64Array.of(1, 0, 0, 1), 2)).toBeCloseTo(2, 12);
    expect(effectiveRank(new Float64Array(16).fill(3), 4)).toBeCloseTo(1, 12);
    expect(streamNormRatio(Float64Array.of(4, 0, 0, 1), 2)).toBe(2);
    expect(activationGain(Float64Array.of(4, 0, 0, 5), Float64Array.of(1), 2)).toBe(3);
  });

  it('logit range is the largest of any token', () => {
    expect(logitRange(Float64Array.of(0, 1, 2, 3, -5, 0, 0, 5), 2)).toBe(10);
  });
});
