/** Alarms from the scores of a baseline. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { alarmsOf, EDGES, LATCHED } from './baselines/alarms.ts';

describe('alarms', () => {
  const NUMBERS: Record<string, number> = { x: 2, '=': 1, '.': 0, '?': Number.NaN };
  /** 'x': above the threshold, '=': at it, '.': below, '?': not a number. */
  const scores = (letters: string) => Float64Array.from(letters, (letter) => NUMBERS[letter]);
  const edges = (letters: string) => alarmsOf(scores(letters), 1, EDGES);
  const latched = (letters: string) => alarmsOf(scores(letters), 1, LATCHED);
  const quiet = (steps: number) => '.'.repeat(steps);

  it('at bare edges are where the score comes to the threshold', () => {
    expect(edges('..xx.x')).toEqual([3, 6]);
    expect(edges('=x=.')).toEqual([1]);
    expect(edges('....')).toEqual([]);
    expect(edges('')).toEqual([]);
  });

  it('are not raised by what is no number, which ends one', () => {
    expect(edges('???')).toEqual([]);
    expect(edges('x?x')).toEqual([1, 3]);
    expect(latched('x?x?x')).toEqual([]);
    expect(latched(`xx${'?'.repeat(100)}xx`)).toEqual([2, 104]);
    expect(latched(`xx${'?'.repeat(99)}xx`)).toEqual([2]);
  });

  it('that latch need two steps in a row', () => {
    expect(latched('x.x.x.')).toEqual([]);
    expect(latched('.xx.')).toEqual([3]);
    expect(latched('x.==')).toEqual([4]);
  });

  it('that latch end after 100 steps below, in a row', () => {
    expect(latched(`xx${quiet(99)}xx`)).toEqual([2]);
    expect(latched(`xx${quiet(100)}xx`)).toEqual([2, 104]);
    expect(latched(`xx${quiet(99)}x${quiet(99)}xx`)).toEqual([2]);
    // One step above is enough to keep it, not enough to raise the next.
    expect(latched(`xx${quiet(100)}x${quiet(200)}xx`)).toEqual([2, 305]);
  });

  it('are each confirmed, and apart by a silence', () => {
    const score = fc.array(fc.constantFrom(0, 1, 2, Number.NaN), { maxLength: 80 });
    const latching = fc.record({ confirm: fc.integer({ min: 1, max: 4 }), clear: fc.integer({ min: 1, max: 6 }) });
    fc.assert(
      fc.property(score, latching, (list, { confirm, clear }) => {
        const alarms = alarmsOf(Float64Array.from(list), 1, { confirm, clear });
        const high = list.map((value) => value >= 1);
        alarms.forEach((step, a) => {
          expect(step).toBeGreaterThanOrEqual(confirm);
          expect(high.slice(step - confirm, step)).not.toContain(false);
          if (a === 0) return;
          const between = high.slice(alarms[a - 1], step - confirm).map((up) => (up ? 'x' : '.'));
          expect(between.join('')).toContain(quiet(clear));
        });
        // Before the first none was missed.
        const calm = high.slice(0, (alarms[0] ?? list.length + 1) - 1).map((up) => (up ? 'x' : '.'));
        expect(calm.join('')).not.toContain('x'.repeat(confirm));
      }),
    );
  });
});
