/** The learning rate against its own recent mean. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { addRate, createRate, type RateState, rateRise } from '../../alerts/rate.ts';

/** The rise with a learning rate that is taken in. */
function riseWith(state: RateState, step: number, learningRate: number | null): number {
  addRate(state, step, learningRate);
  return rateRise(state, learningRate);
}

it('is the step up, which fades with a time constant of 500 steps', () => {
  const state = createRate();
  let step = 0;
  for (; step < 5000; step++) riseWith(state, step, 1);
  expect(riseWith(state, step, 3)).toBeCloseTo(2, 1);
  for (const end = step + 500; step < end; step++) riseWith(state, step, 3);
  // mean = 3 − 2/e after 500 steps
  expect(riseWith(state, step, 3)).toBeCloseTo(3 / (3 - 2 / Math.E) - 1, 2);
});

it('compares with a mean of all rates so far, each weighted by the steps that it stands for, and by its age', () => {
  const report = fc.record({ gap: fc.integer({ min: 1, max: 1000 }), rate: fc.double({ min: 1e-6, max: 1, noNaN: true }) });
  fc.assert(
    fc.property(fc.array(report, { minLength: 1, maxLength: 50 }), (reports) => {
      const state = createRate();
      const steps = reports.map((_, i) => reports.slice(0, i + 1).reduce((sum, { gap }) => sum + gap, 0));
      const rises = reports.map(({ rate }, i) => riseWith(state, steps[i], rate));
      const weights = reports.map(({ gap }, i) => (1 - Math.exp(-gap / 500)) * Math.exp((steps[i] - steps.at(-1)!) / 500));
      const mean = reports.reduce((sum, { rate }, i) => sum + weights[i] * rate, 0) / weights.reduce((a, b) => a + b);
      expect(rises.at(-1)).toBeCloseTo(reports.at(-1)!.rate / mean - 1, 6);
    }),
  );
});

it('leaves a rate that is not told, or is none, out', () => {
  const state = createRate();
  riseWith(state, 1, 1);
  for (const none of [null, Number.NaN, -1, Number.POSITIVE_INFINITY]) expect(riseWith(state, 2, none)).toBe(0);
  expect(riseWith(state, 3, 1)).toBeCloseTo(0, 9);
  expect(riseWith(createRate(), 1, 0)).toBe(0);
});
