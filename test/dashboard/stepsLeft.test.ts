/** Steps until a line reaches a limit, by its slope. */
import { describe, expect, it } from 'vitest';
import { runLimits } from '../../alerts/limits.ts';
import { lastLimit, stepsLeft } from '../../dashboard/model/stepsLeft.ts';
import { headerOf } from '../support/reports.ts';

describe('the steps left', () => {
  const steps = Array.from({ length: 50 }, (_, i) => 10 * i);
  const left = (values: (step: number) => number, at = steps) => stepsLeft(at, at.map(values), 1000);

  it('are exact for exponential growth', () => {
    expect(left((step) => 2 * Math.exp(0.01 * step))).toBeCloseTo(Math.log(500) / 0.01 - 490, 6);
  });
  it('are none where it is there, and endless where it does not rise or is not known', () => {
    expect(left(() => 2000)).toBe(0);
    const never = [left((step) => Math.exp(-step)), left(() => Number.NaN), left(() => 5, []), left(() => 5, [3])];
    expect(never).toEqual(Array(4).fill(Number.POSITIVE_INFINITY));
  });
});

it('the last limit is that of the run: n / 2 where gains are bounded, none where that would be 1', () => {
  const limits = (kind: 'hc' | 'mhc', streams: number) => runLimits(headerOf(kind, 2, streams));
  expect([limits('hc', 4), limits('mhc', 4), limits('mhc', 2)].map(lastLimit)).toEqual([1000, 2, Number.POSITIVE_INFINITY]);
});
