/** The learning rate against its own recent mean. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { addRate, createRate, type RateState, rateRise } from '../../alerts/rate.ts';

/** The rise with a learning rate that is taken in. */
function riseWith(state: RateState, step: number, learningRate: number | null): number {
  addRate(state, step, learningRate);
  return rateRise(state, learningRate);
}

it('is 0 for a rate that stays, whatever the steps between reports', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 1e-8, max: 10, noNaN: true }),
      fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 1 }),
      (rate, gaps) => {
        const state = createRate();
        let step = 0;
        for (const gap of gaps) {
          step += gap;
          expect(riseWith(state, step, rate)).toBeCloseTo(0, 9);
        }
      },
    ),
  );
});

it('is the step up, which fades with a time constant of 500 steps', () => {
  const state = createRate();
  let step = 0;
  for (; step < 5000; step++) riseWith(state, step, 1);
  expect(riseWith(state, step, 3)).toBeCloseTo(2, 1);
  for (const end = step + 500; step < end; step++) riseWith(state, step, 3);
  // mean = 3 − 2/e after 500 steps
  expect(riseWith(state, step, 3)).toBeCloseTo(3 / (3 - 2 / Math.E) - 1, 2);
});

it('compares with a weighted mean of all rates so far', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 1e-6, max: 1, noNaN: true }), { minLength: 1, maxLength: 50 }), (rates) => {
      const state = createRate();
      let rise = 0;
      rates.forEach((rate, i) => {
        rise = riseWith(state, i + 1, rate);
      });
      const weights = rates.map((_, i) => Math.exp((i + 1 - rates.length) / 500));
      const mean = rates.reduce((sum, rate, i) => sum + weights[i] * rate, 0) / weights.reduce((a, b) => a + b);
      expect(rise).toBeCloseTo(rates[rates.length - 1] / mean - 1, 6);
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
