/** The measures against the float64 vectors of test/fixtures/mhc.json. */
import { describe, expect, it } from 'vitest';
import { compositeGains, type Gains, gains, sinkhorn, sinkhornGradient } from '../../src/measures/index.ts';
import { compositeCases, flat64, hyperCases, manifoldCases, sinkhornCases, worst } from '../support/golden.ts';
import { transposed } from '../support/matrices.ts';

function expectGains(actual: Gains, expected: Record<string, number>): void {
  const keys = Object.keys(expected) as (keyof Gains)[];
  expect(keys.length).toBe(9);
  const values = keys.map((k) => actual[k]);
  expect(worst(values, Object.values(expected))).toBeLessThan(1e-12);
}

describe('golden cases of the measures', () => {
  it.each(sinkhornCases.map((c) => [`n = ${c.streams}, ${c.iterations} iterations`, c] as const))(
    'Sinkhorn and its gradient, %s',
    (_, c) => {
      const n = c.streams;
      const logits = flat64(c.logits);
      const gradOut = flat64(c.gradOut);
      const paper = { iterations: c.iterations };
      expect(worst(sinkhorn(logits, n, paper), flat64(c.paper.hRes))).toBeLessThan(1e-12);
      expect(worst(sinkhornGradient(logits, gradOut, n, paper), flat64(c.paper.gradLogits))).toBeLessThan(1e-9);
      const deepseek = { iterations: c.iterations, convention: 'deepseek', epsilon: c.deepseek.eps } as const;
      const h = sinkhorn(logits, n, deepseek);
      expect(worst(h, flat64(c.deepseek.hRes))).toBeLessThan(1e-12);
      expect(worst(transposed(h, n), flat64(c.deepseek.comb))).toBeLessThan(1e-12);
      const onH = transposed(gradOut, n); // their gradient is on comb
      expect(worst(sinkhornGradient(logits, onH, n, deepseek), flat64(c.deepseek.gradLogitsOfComb))).toBeLessThan(1e-9);
      expect(Array.from(logits)).toEqual(Array.from(flat64(c.logits)));
    },
  );

  it.each([...manifoldCases, ...hyperCases].map((c) => [`${c.kind} n = ${c.streams}`, c] as const))('gains of %s', (_, c) => {
    expectGains(gains(flat64(c.hRes), c.streams), c.gains);
  });

  it.each(compositeCases.map((c) => [c.family, c] as const))('composites of %s', (_, c) => {
    const h = flat64(c.hRes);
    const size = c.tokens * c.streams ** 2;
    const { prefix, suffix } = compositeGains(h, c.layers, c.tokens, c.streams);
    for (let l = 0; l < c.layers; l++) {
      expectGains(gains(h.subarray(l * size, (l + 1) * size), c.streams), c.perLayer[l]);
      expectGains(prefix[l], c.prefix[l]);
      expectGains(suffix[l], c.suffix[l]);
    }
  });
});
