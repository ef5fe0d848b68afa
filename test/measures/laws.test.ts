import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  activationGain,
  compositeGains,
  effectiveRank,
  gains,
  logitRange,
  routingEntropy,
  separation,
  sinkhorn,
  sinkhornGradient,
  streamNormRatio,
} from '../../src/measures/index.ts';

const finite = (max: number) => fc.double({ min: -max, max, noNaN: true });
const matrix = (n: number, max = 4) => fc.array(finite(max), { minLength: n * n, maxLength: n * n }).map((v) => Float64Array.from(v));
const sized = (max?: number) => fc.integer({ min: 1, max: 8 }).chain((n) => fc.tuple(fc.constant(n), matrix(n, max)));
const permutation = (n: number) => fc.shuffledSubarray([...Array(n).keys()], { minLength: n, maxLength: n });

const rowSums = (h: Float64Array, n: number) => Array.from({ length: n }, (_, i) => h.slice(i * n, i * n + n).reduce((a, b) => a + b, 0));
const columnSums = (h: Float64Array, n: number) =>
  Array.from({ length: n }, (_, j) => Array.from({ length: n }, (_, i) => h[i * n + j]).reduce((a, b) => a + b, 0));
const permuted = (h: Float64Array, n: number, p: number[], q: number[]) => h.map((_, k) => h[p[Math.floor(k / n)] * n + q[k % n]]);
const product = (a: Float64Array, b: Float64Array, n: number) =>
  a.map((_, k) => Array.from({ length: n }, (_, m) => a[Math.floor(k / n) * n + m] * b[m * n + (k % n)]).reduce((x, y) => x + y, 0));

describe('Sinkhorn', () => {
  it('paper: rows sum to 1', () => {
    fc.assert(
      fc.property(sized(8), fc.integer({ min: 1, max: 20 }), ([n, logits], iterations) => {
        for (const sum of rowSums(sinkhorn(logits, n, { iterations }), n)) expect(Math.abs(sum - 1)).toBeLessThan(1e-12);
      }),
    );
  });

  it('paper: Σ|column sum − 1| never grows with the iterations', () => {
    fc.assert(
      fc.property(sized(8), ([n, logits]) => {
        let before = Number.POSITIVE_INFINITY;
        for (const iterations of [1, 2, 3, 5, 8, 13, 20]) {
          const error = columnSums(sinkhorn(logits, n, { iterations }), n).reduce((a, s) => a + Math.abs(s - 1), 0);
          expect(error).toBeLessThanOrEqual(before + 1e-12);
          before = error;
        }
      }),
    );
  });

  it.each(['paper', 'deepseek'] as const)('%s: permuting rows and columns permutes the result', (convention) => {
    const withPermutations = fc
      .integer({ min: 1, max: 8 })
      .chain((n) => fc.tuple(fc.constant(n), matrix(n), permutation(n), permutation(n)));
    fc.assert(
      fc.property(withPermutations, ([n, logits, p, q]) => {
        const [first, second] = convention === 'paper' ? [p, q] : [q, p]; // deepseek: H = combᵀ
        const expected = permuted(sinkhorn(logits, n, { convention }), n, first, second);
        const actual = sinkhorn(permuted(logits, n, p, q), n, { convention });
        actual.forEach((value, i) => {
          expect(Math.abs(value - expected[i])).toBeLessThan(1e-12);
        });
      }),
    );
  });

  it('without ε the two conventions agree on transposed logits when converged', () => {
    const logits = Float64Array.of(0.3, -0.2, 1, 0.5, 0.1, -1, 0.7, 0.2, 0);
    const transposed = permutedTranspose(logits, 3);
    const paper = sinkhorn(logits, 3, { iterations: 200 });
    const deepseek = sinkhorn(transposed, 3, { iterations: 200, convention: 'deepseek', epsilon: 0 });
    paper.forEach((value, i) => {
      expect(Math.abs(value - deepseek[i])).toBeLessThan(1e-14);
    });
  });

  it.each(['paper', 'deepseek'] as const)('%s: the gradient agrees with central differences', (convention) => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }).chain((n) => fc.tuple(fc.constant(n), matrix(n, 2), matrix(n, 1))),
        ([n, logits, gradOut]) => {
          const options = { convention, iterations: 6 };
          const loss = (l: Float64Array) => sinkhorn(l, n, options).reduce((sum, value, i) => sum + value * gradOut[i], 0);
          const gradient = sinkhornGradient(logits, gradOut, n, options);
          const step = 1e-5;
          gradient.forEach((value, i) => {
            const up = loss(logits.with(i, logits[i] + step));
            const down = loss(logits.with(i, logits[i] - step));
            expect(Math.abs(value - (up - down) / (2 * step))).toBeLessThan(1e-7);
          });
        },
      ),
      { numRuns: 30 },
    );
  });

  it('does not let NaN and +Inf pass for numbers; −Inf is a zero entry', () => {
    expect(Array.from(sinkhorn(Float64Array.of(Number.NaN, 0, 0, 0), 2)).some(Number.isNaN)).toBe(true);
    expect(Array.from(sinkhorn(Float64Array.of(Number.POSITIVE_INFINITY, 0, 0, 0), 2)).some(Number.isNaN)).toBe(true);
    expect(Array.from(sinkhorn(Float64Array.of(0, Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY, 0), 2))).toEqual([1, 0, 0, 1]);
  });

  it('names the argument, the rule and the value', () => {
    expect(() => sinkhorn(new Float64Array(5), 2)).toThrow('sinkhorn: logits must hold whole 2 × 2 matrices, got 5 values');
    expect(() => sinkhorn(new Float64Array(4), 2, { iterations: 0 })).toThrow('iterations must be a whole number from 1, got 0');
    expect(() => sinkhorn(new Float64Array(4), 2, { epsilon: 1 })).toThrow(
      "epsilon belongs to the deepseek convention, got 1 with 'paper'",
    );
    expect(() => sinkhornGradient(new Float64Array(4), new Float64Array(8), 2)).toThrow('gradOut must be as long as logits (4), got 8');
  });
});

function permutedTranspose(h: Float64Array, n: number): Float64Array {
  return h.map((_, k) => h[(k % n) * n + Math.floor(k / n)]);
}

describe('gains', () => {
  it('orientation: rows are destinations, columns are sources', () => {
    const g = gains(Float64Array.of(1, 0.5, 0, 0.5), 2);
    expect([g.forward, g.backward, g.rowSumMin, g.columnSumMin]).toEqual([1.5, 1, 0.5, 1]);
  });

  it('gain ≥ |mean row sum| and bound ≥ gain', () => {
    fc.assert(
      fc.property(sized(), ([n, h]) => {
        const g = gains(h, n);
        const mean = Math.abs(rowSums(h, n).reduce((a, b) => a + b, 0) / n);
        expect(g.forward).toBeGreaterThanOrEqual(mean - 1e-12);
        expect(g.backward).toBeGreaterThanOrEqual(mean - 1e-12);
        expect(g.forwardBound).toBeGreaterThanOrEqual(g.forward - 1e-12);
        expect(g.backwardBound).toBeGreaterThanOrEqual(g.backward - 1e-12);
      }),
    );
  });

  it('does not change under permutations of the streams', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }).chain((n) => fc.tuple(fc.constant(n), matrix(n), permutation(n))),
        ([n, h, p]) => {
          const [a, b] = [gains(h, n), gains(permuted(h, n, p, p), n)];
          expect(b.forward).toBeCloseTo(a.forward, 12);
          expect(b.backwardBound).toBeCloseTo(a.backwardBound, 12);
        },
      ),
    );
  });

  it('carries NaN and Infinity on', () => {
    const nan = gains(Float64Array.of(Number.NaN, 0, 0, 1), 2);
    expect([nan.forward, nan.backward, nan.rowDeviationMax, nan.minEntry, nan.rowSumMin].every(Number.isNaN)).toBe(true);
    const inf = gains(Float64Array.of(Number.POSITIVE_INFINITY, 0, 0, 1), 2);
    expect([inf.forward, inf.backward, inf.forwardBound]).toEqual([
      Number.POSITIVE_INFINITY,
      Number.POSITIVE_INFINITY,
      Number.POSITIVE_INFINITY,
    ]);
    expect(() => gains(new Float64Array(3), 2)).toThrow('h must hold whole 2 × 2 matrices, at least one, got 3 values');
  });
});

describe('composites', () => {
  const stack = fc
    .tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 4 }))
    .chain(([layers, n]) => fc.tuple(fc.constant(n), fc.array(matrix(n, 2), { minLength: layers, maxLength: layers })));
  const joined = (parts: Float64Array[]) => Float64Array.from(parts.flatMap((p) => Array.from(p)));

  it('are the gains of the products taken one by one', () => {
    fc.assert(
      fc.property(stack, ([n, parts]) => {
        const { prefix, suffix } = compositeGains(joined(parts), parts.length, 1, n);
        let forward = parts[0];
        parts.forEach((part, l) => {
          if (l > 0) forward = product(part, forward, n);
          expect(prefix[l].forward).toBeCloseTo(gains(forward, n).forward, 9);
          const backward = parts.slice(l + 1).reduce((sum, next) => product(next, sum, n), part);
          expect(suffix[l].backward).toBeCloseTo(gains(backward, n).backward, 9);
        });
      }),
    );
  });

  it('exact rows and no negative entry: forward 1 and 1 ≤ backward ≤ n at any depth', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 8 }).chain((n) => fc.tuple(fc.constant(n), fc.array(matrix(n, 6), { minLength: 1, maxLength: 12 }))),
        ([n, logits]) => {
          const h = joined(logits.map((l) => sinkhorn(l, n, { iterations: 2 })));
          const { prefix, suffix } = compositeGains(h, logits.length, 1, n);
          for (const { forward } of prefix) expect(Math.abs(forward - 1)).toBeLessThan(1e-12);
          for (const { backward } of [...prefix, ...suffix]) {
            expect(backward).toBeGreaterThan(1 - 1e-12);
            expect(backward).toBeLessThan(n + 1e-12);
          }
        },
      ),
    );
  });

  it('n = 1 is the plain residual: every gain is 1', () => {
    const { prefix, suffix } = compositeGains(new Float64Array(6).fill(1), 3, 2, 1);
    for (const g of [...prefix, ...suffix]) expect([g.forward, g.backward, g.rowDeviationMax]).toEqual([1, 1, 0]);
    expect(Array.from(sinkhorn(Float64Array.of(3, -7), 1))).toEqual([1, 1]);
  });
});

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
