/** Series of minima and maxima, and what charts make of them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { appendStep, type Bands, bandsOf, envelopeOf, halve, isGap, pointWidth, smoothed, worstOf } from '../../dashboard/model/bands.ts';

const bandsFrom = (rows: number[][]): Bands => ({
  steps: rows[0].map((_, i) => i + 1),
  times: rows[0].map((_, i) => 1000 * i),
  bucket: 1,
  bands: rows.map((row, l) => ({ connection: `block${l}`, min: row.map((v) => v - 1), max: [...row] })),
});

it('is read from the wire: what is not known stays null, and what is no number a NaN', () => {
  const series = [{ connection: 'a', min: [1, null, 'NaN' as const], max: [2, null, '+Inf' as const] }];
  expect(bandsOf({ run: 'hc', measure: 'forwardGain', bucket: 8, steps: [0, 8, 16], times: [1, 2, 3], series })).toEqual({
    steps: [0, 8, 16],
    times: [1, 2, 3],
    bucket: 8,
    bands: [{ connection: 'a', min: [1, null, Number.NaN], max: [2, null, Number.POSITIVE_INFINITY] }],
  });
});

it('grows by steps that come behind the last one, and by no other', () => {
  const bands = bandsFrom([[1, 2]]);
  appendStep(bands, 2, 5000, [9]);
  expect(bands.steps).toEqual([1, 2]);
  appendStep(bands, 7, 6000, [9]);
  expect(bands).toMatchObject({ steps: [1, 2, 7], times: [0, 1000, 6000], bands: [{ min: [0, 1, 9], max: [1, 2, 9] }] });
  appendStep(bands, 8, 7000, [null]);
  appendStep(bands, 9, 8000, ['NaN']);
  expect(bands.bands[0].max).toEqual([1, 2, 9, null, Number.NaN]);
});

it('of half as many points keeps its spikes, and the NaN within a pair as in a bucket', () => {
  const bands = bandsFrom([[1, 9, Number.NaN, 3, 4]]);
  const { steps } = bands;
  expect(pointWidth(steps, 1)).toBe(1);
  Object.assign(bands.bands[0], { min: [1, 9, Number.NaN, 3, null], max: [1, 9, Number.NaN, 3, null] });
  halve(bands);
  expect(bands).toEqual({
    steps: [1, 3, 5],
    times: [0, 2000, 4000],
    bucket: 2,
    bands: [{ connection: 'block0', min: [1, 3, null], max: [9, Number.NaN, null] }],
  });
});

it('has points as wide as a bucket or the usual distance, also when it has grown', () => {
  const steps = [1, 2, 3, 100, 200, 201];
  const gaps = (width: number) => steps.filter((step, i) => isGap(steps[i + 1] - step, width));
  expect(gaps(pointWidth(steps, 1))).toEqual([3, 100]);
  expect(gaps(pointWidth(steps, 48))).toEqual([3, 100]);
  expect(gaps(pointWidth(steps, 64))).toEqual([]);
  expect([pointWidth([], 1), pointWidth([7], 4), pointWidth([0, 10, 20, 50], 1)]).toEqual([1, 4, 10]);
  const growing = [0, 1];
  expect(pointWidth(growing, 1)).toBe(1);
  growing.push(11, 21, 31);
  expect(pointWidth(growing, 1)).toBe(10);
});

it('has an envelope that holds every value, and touches one at each point', () => {
  const value = fc.oneof(fc.double({ min: -1e3, max: 1e3, noNaN: true }), fc.constant(Number.NaN));
  const anyRows = fc.integer({ min: 1, max: 6 }).chain((n) => fc.array(fc.array(value, { minLength: n, maxLength: n }), { minLength: 1 }));
  fc.assert(
    fc.property(anyRows, (rows) => {
      const { min, max } = envelopeOf(bandsFrom(rows), rows[0].length);
      for (let i = 0; i < rows[0].length; i++) {
        const known = rows.map((row) => row[i]).filter((v) => !Number.isNaN(v));
        expect(max[i]).toBe(known.length === 0 ? Number.NaN : Math.max(...known));
        expect(min[i]).toBe(known.length === 0 ? Number.NaN : Math.min(...known) - 1);
      }
    }),
  );
});

it('is worst where it is highest of late, NaN above all, among those that are allowed', () => {
  const late = (height: number, early = 0) => Array.from({ length: 100 }, (_, i) => (i < 50 ? early : height));
  const bands = bandsFrom([late(1), late(5), late(3, 100), late(Number.NaN), late(Number.POSITIVE_INFINITY)]);
  expect(worstOf(bands, 3)).toEqual([3, 4, 1]);
  expect(worstOf(bands, 3, (name) => name !== 'block1' && name !== 'block3')).toEqual([4, 2, 0]);
  expect(worstOf(bands, 99)).toHaveLength(5);
});

describe('smoothing', () => {
  it('keeps a constant, lies between the values, and leaves what is not finite', () => {
    const values = [2, 2, Number.NaN, 2, Number.POSITIVE_INFINITY, 2];
    expect(smoothed(values, 0.9, false)).toEqual(values);
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0.01, max: 100, noNaN: true }), { minLength: 1 }),
        fc.double({ min: 0, max: 0.99, noNaN: true }),
        fc.boolean(),
        (values, smooth, log) => {
          for (const value of smoothed(values, smooth, log) as number[]) {
            expect(value).toBeGreaterThanOrEqual(Math.min(...values) * (1 - 1e-9));
            expect(value).toBeLessThanOrEqual(Math.max(...values) * (1 + 1e-9));
          }
        },
      ),
    );
  });

  it('of 0 is the values themselves; what is not known takes no part', () => {
    expect(smoothed([1, 3, 2], 0, false)).toEqual([1, 3, 2]);
    expect(smoothed([2, null, 4], 0.5, false)).toEqual([2, null, 3]);
  });
});
