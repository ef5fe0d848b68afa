/** The choice of a setting: within the budget, then by recall. */
import { describe, expect, it } from 'vitest';
import { EDGES, LATCHED } from './baselines/alarms.ts';
import type { Variant } from './baselines/all.ts';
import { type Score, scoreOf } from './score.ts';
import type { Series } from './series.ts';
import { apply, type Case, isBetter, tuneBaseline } from './tune.ts';

const scores = new Map<Series, Float64Array>();

/** A run of 1000 steps whose score is 0, but for some steps. */
function run(event: number | null, peaks: Record<number, number>): Case {
  const values = new Float64Array(1000);
  for (const [step, value] of Object.entries(peaks)) values[Number(step) - 1] = value;
  const series = { steps: 1000 } as Series;
  scores.set(series, values);
  return { series, event };
}

const scorer = (factor: number): Variant => ({
  label: `× ${factor}`,
  score: (series) => (scores.get(series) ?? new Float64Array()).map((value) => factor * value),
});

/** Two events, told by 2 and by 5; ten healthy runs, one of which reaches 3. */
const CASES = [run(500, { 100: 2 }), run(600, { 200: 5 }), ...Array.from({ length: 10 }, (_, i) => run(null, i === 0 ? { 700: 3 } : {}))];

describe('a baseline is tuned', () => {
  const [strict, loose] = tuneBaseline(CASES, [scorer(1)], [EDGES], [0.09, 0.1]);

  it('to the highest recall', () => {
    expect(loose?.threshold).toBe(2);
    expect(scoreOf(apply(CASES, loose!))).toMatchObject({ recall: 1, falseAlarms: 0.1 });
  });

  it('within the limit', () => {
    expect(strict?.threshold).toBe(5);
    expect(scoreOf(apply(CASES, strict!))).toMatchObject({ recall: 0.5, falseAlarms: 0 });
    expect(tuneBaseline(CASES, [scorer(1)], [EDGES], [0.099, 0.1]).map((setting) => setting?.threshold)).toEqual([5, 2]);
  });

  it('not at all where no setting keeps the limit', () => {
    const loud: Variant = { label: 'loud', score: () => new Float64Array(1000).fill(1) };
    expect(tuneBaseline(CASES, [loud], [EDGES], [0.1])).toEqual([null]);
  });

  it('over its variants and ways to latch', () => {
    // The noisy healthy run is silent when an alarm needs two steps; so is the single peak of an event.
    const cases = [run(500, { 100: 2, 101: 2 }), run(null, { 300: 9 })];
    const [best] = tuneBaseline(cases, [scorer(0), scorer(4)], [EDGES, LATCHED], [0.1]);
    expect(best).toMatchObject({ label: '× 4', latching: LATCHED, threshold: 8 });
    expect(apply(cases, best!).map(({ lead }) => lead)).toEqual([399, 0]);
  });
});

describe('a score is better', () => {
  const score = (recall: number, lateMedianLead: number, medianShare: number): Score => ({
    ...scoreOf([]),
    recall,
    lateMedianLead,
    medianShare,
  });

  it('by recall, then by the lead on late events, then by share', () => {
    expect(isBetter(score(0.9, 0, 0), score(0.8, 500, 1))).toBe(true);
    expect(isBetter(score(0.8, 500, 1), score(0.9, 0, 0))).toBe(false);
    expect(isBetter(score(0.9, 200, 0), score(0.9, 100, 1))).toBe(true);
    expect(isBetter(score(0.9, 100, 0.5), score(0.9, 100, 0.4))).toBe(true);
    expect(isBetter(score(0.9, 100, 0.5), score(0.9, 100, 0.5))).toBe(false);
  });

  it('than none, and whether or not there are late events', () => {
    expect(isBetter(score(0, 0, 0), undefined)).toBe(true);
    expect(isBetter(score(0.5, Number.NaN, 0.6), score(0.5, Number.NaN, 0.5))).toBe(true);
  });
});
