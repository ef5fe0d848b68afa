/** Laws of the gains of mixing matrices, and of their products over the depth. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compositeGains, gains, sinkhorn } from '../../src/measures/index.ts';
import { matrix, permutation, permuted, product, rowSums, sized } from '../support/matrices.ts';

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
    for (const gain of [inf.forward, inf.backward, inf.forwardBound]) expect(gain).toBe(Number.POSITIVE_INFINITY);
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
