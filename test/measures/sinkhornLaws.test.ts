/** Laws of Sinkhorn–Knopp in float64, both conventions. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type SinkhornOptions, sinkhorn, sinkhornGradient } from '../../src/measures/index.ts';
import { columnSums, matrix, permutation, permuted, rowSums, sized, transposed } from '../support/matrices.ts';

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
        for (const [i, value] of actual.entries()) expect(Math.abs(value - expected[i])).toBeLessThan(1e-12);
      }),
    );
  });

  it('without ε the two conventions agree on transposed logits when converged', () => {
    const logits = Float64Array.of(0.3, -0.2, 1, 0.5, 0.1, -1, 0.7, 0.2, 0);
    const paper = sinkhorn(logits, 3, { iterations: 200 });
    const deepseek = sinkhorn(transposed(logits, 3), 3, { iterations: 200, convention: 'deepseek', epsilon: 0 });
    for (const [i, value] of paper.entries()) expect(Math.abs(value - deepseek[i])).toBeLessThan(1e-14);
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
    const withOptions = (options: SinkhornOptions) => () => sinkhorn(new Float64Array(4), 2, options);
    expect(withOptions({ iterations: 0 })).toThrow('iterations must be a whole number from 1, got 0');
    expect(withOptions({ epsilon: 1 })).toThrow("epsilon belongs to the deepseek convention, got 1 with 'paper'");
    expect(() => sinkhornGradient(new Float64Array(4), new Float64Array(8), 2)).toThrow('gradOut must be as long as logits (4), got 8');
  });
});
