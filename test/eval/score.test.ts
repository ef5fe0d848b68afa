/** The scoring of alarms, at each of its limits and on an example by hand. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bootstrap, type Outcome, outcomeOf, quantile, scoreOf } from './score.ts';

/** Of a run of 4000 steps with its event at step 3000, unless told otherwise. */
const outcome = (alarms: number[], event: number | null = 3000) => outcomeOf(4000, event, alarms);

describe('an alarm before an event', () => {
  it.each([
    { kind: 'true from 2000 to 50', before: [2000, 1999, 700, 51, 50], leads: true, falseAlarms: 0 },
    { kind: 'false from 2001', before: [2001, 2999], leads: false, falseAlarms: 1 },
    { kind: 'late from 49, missed, not false,', before: [49, 1, 0], leads: false, falseAlarms: 0 },
  ])('is $kind steps before it', ({ before, leads, falseAlarms }) => {
    for (const steps of before) expect(outcome([3000 - steps])).toMatchObject({ lead: leads ? steps : 0, falseAlarms });
  });

  it('leads by its first true alarm', () => {
    expect(outcome([1500, 2000, 2900]).lead).toBe(1500);
    expect(outcome([900, 2950, 2960])).toMatchObject({ lead: 50, falseAlarms: 1 });
  });

  it('is not counted when the event is over', () => {
    expect(outcome([3001, 3500, 3999])).toMatchObject({ lead: 0, falseAlarms: 0 });
  });

  it('may be false and followed by a true one within the refractory steps', () => {
    expect(outcome([999, 1000])).toMatchObject({ lead: 2000, falseAlarms: 1 });
  });
});

describe('false alarms', () => {
  it('within 200 steps of a counted one are not counted', () => {
    expect(outcome([100, 300], null).falseAlarms).toBe(1);
    expect(outcome([100, 301], null).falseAlarms).toBe(2);
    // 301 is 201 after the one that counted; 250 counted for nothing.
    expect(outcome([100, 250, 301, 501, 502], null).falseAlarms).toBe(3);
  });

  it('are all alarms of a run without event', () => {
    expect(outcome([1, 1000, 4000], null)).toEqual({ steps: 4000, event: null, lead: 0, share: 0, falseAlarms: 3, healthySteps: 4000 });
  });
});

describe('of a run', () => {
  it('healthy steps are those more than 2000 before the event', () => {
    expect(outcome([], null).healthySteps).toBe(4000);
    expect(outcome([], 3000).healthySteps).toBe(999);
    expect(outcome([], 2002).healthySteps).toBe(1);
    expect(outcome([], 2001).healthySteps).toBe(0);
    expect(outcome([], 1).healthySteps).toBe(0);
  });

  it('the share is of the lead that was possible', () => {
    expect(outcome([1], 101).share).toBe(1);
    expect(outcome([51], 101).share).toBe(0.5);
    expect(outcome([1000], 3000).share).toBe(1);
    expect(outcome([2500], 3000).share).toBe(0.25);
    expect(outcome([], 1).share).toBe(0);
  });

  it('no alarm is both true and false, and there is one per 201 healthy steps at most', () => {
    const alarms = fc.uniqueArray(fc.integer({ min: 1, max: 4000 }), { maxLength: 60 }).map((list) => list.sort((a, b) => a - b));
    fc.assert(
      fc.property(alarms, fc.option(fc.integer({ min: 1, max: 4000 })), (list, event) => {
        const { lead, falseAlarms, healthySteps } = outcome(list, event);
        const first = event === null ? undefined : list.find((alarm) => event - alarm <= 2000 && event - alarm >= 50);
        expect(lead).toBe(first === undefined ? 0 : (event ?? 0) - first);
        expect(falseAlarms).toBeLessThanOrEqual(Math.ceil(healthySteps / 201));
        const early = list.some((alarm) => event === null || event - alarm > 2000);
        expect(falseAlarms > 0).toBe(early);
      }),
    );
  });
});

describe('score', () => {
  const outcomes: Outcome[] = [
    outcomeOf(1000, 501, [1]), // lead 500 of 500
    outcomeOf(3000, 2501, [400, 1501]), // false, then 1000 of 2000; 500 healthy steps
    outcomeOf(2000, 1201, [1180]), // late
    outcomeOf(1500, null, [10, 700]), // two false
  ];

  it('is what a pencil says', () => {
    const { medianLead, p10Lead, ...rest } = scoreOf(outcomes);
    expect(rest).toEqual({
      events: 3,
      recall: 2 / 3,
      falseAlarms: (1000 * 3) / 2000,
      precision: 2 / 5,
      medianShare: 0.5,
      lateEvents: 2,
      lateMedianLead: 500,
    });
    // Leads 0, 500, 1000.
    expect(medianLead).toBe(500);
    expect(p10Lead).toBeCloseTo(100, 10);
  });

  it('counts an event as late after step 1000 only', () => {
    expect(scoreOf([outcomeOf(2000, 1000, []), outcomeOf(2000, 1001, [])]).lateEvents).toBe(1);
  });

  it('has an interval that is the same at every call and holds the figure', () => {
    const many = Array.from({ length: 40 }, (_, i) => outcomeOf(1000, i % 4 === 3 ? null : 400 + i, i % 3 === 0 ? [] : [100 + 5 * i]));
    for (const key of ['recall', 'falseAlarms', 'medianLead', 'precision'] as const) {
      const [low, high] = bootstrap(many, (drawn) => scoreOf(drawn)[key], 200);
      expect(bootstrap(many, (drawn) => scoreOf(drawn)[key], 200)).toEqual([low, high]);
      expect(low).toBeLessThan(high);
      expect(scoreOf(many)[key]).toBeGreaterThanOrEqual(low);
      expect(scoreOf(many)[key]).toBeLessThanOrEqual(high);
    }
  });

  it('has a 90 % interval as wide as the binomial one', () => {
    const half = Array.from({ length: 100 }, (_, i) => outcomeOf(1000, 500, i % 2 === 0 ? [100] : []));
    const [low, high] = bootstrap(half, (drawn) => scoreOf(drawn).recall);
    // 1.645 standard deviations of 0.05 to either side.
    expect(low).toBeCloseTo(0.5 - 0.082, 1);
    expect(high).toBeCloseTo(0.5 + 0.082, 1);
  });
});

describe('quantile', () => {
  it('is linear between the sorted values', () => {
    expect(quantile([4, 1, 3, 2], 0.5)).toBe(2.5);
    expect(quantile([30, 10, 20], 0)).toBe(10);
    expect(quantile([30, 10, 20], 1)).toBe(30);
    expect(quantile([0, 10], 0.1)).toBeCloseTo(1, 12);
    expect(quantile([7], 0.3)).toBe(7);
    expect(quantile([], 0.5)).toBeNaN();
  });

  it('stands infinite values', () => {
    expect(quantile([1, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY], 0.75)).toBe(Number.POSITIVE_INFINITY);
  });
});
