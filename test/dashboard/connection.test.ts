/** Which connection is open, and its numbers as text. */
import { describe, expect, test } from 'vitest';
import { aroundOne, hasMatrix, measureText, neighbour, openOf, signed, sumsOf } from '../../dashboard/model/connection.ts';
import { toggled } from '../../dashboard/model/view.ts';

describe('the open connection', () => {
  const known = { open: null, names: ['a', 'b', 'c'], warnings: [], gains: [1, 5, 2], before: null };

  test('is the asked one, else the first suspect of the newest warning, else the largest gain', () => {
    expect(openOf({ ...known, open: 'c' })).toBe('c');
    expect(openOf({ ...known, open: 'gone' })).toBe('b');
    expect(openOf({ ...known, warnings: [{ suspects: ['b'] }, { suspects: ['c', 'a'] }, { suspects: [] }] })).toBe('c');
    expect(openOf({ ...known, gains: [] })).toBe('a');
    expect(openOf({ ...known, gains: [1, 5, Number.NaN] })).toBe('c');
    expect(openOf({ ...known, names: [] })).toBeNull();
  });

  test('is added to a list, or taken from it', () => {
    expect([toggled(['a'], 'b'), toggled(['a', 'b'], 'a')]).toEqual([['a', 'b'], ['b']]);
  });

  test('does not move by itself without need', () => {
    expect(openOf({ ...known, gains: [1, 2.1, 2], before: 'c' })).toBe('c');
    expect(openOf({ ...known, gains: [1, 2.3, 2], before: 'c' })).toBe('b');
    expect(openOf({ ...known, before: 'of another run' })).toBe('b');
  });

  test('has no matrix where the run sends measures only', () => {
    const nothing = Array<number>(4).fill(Number.NaN);
    expect([hasMatrix(nothing, 0), hasMatrix(nothing, 4), hasMatrix([1, 0, 0, Number.NaN], 1)]).toEqual([false, true, true]);
    expect(hasMatrix([], 0)).toBe(false);
  });

  test('has neighbours around the ends', () => {
    expect([neighbour(known.names, 'c', 1), neighbour(known.names, 'a', -1), neighbour(known.names, 'a', 1)]).toEqual(['a', 'c', 'b']);
  });

  test('its numbers keep their sign and their distance from 1', () => {
    expect([0.25, -0.25, -0.00001, Number.NaN].map((value) => signed(value, 3))).toEqual(['0.250', '−0.250', '0.000', 'NaN']);
    const sums = [1, 1.25, -0.5, 1 + 2 ** -20, 1 - 2 ** -20, Number.POSITIVE_INFINITY];
    expect(sums.map(aroundOne)).toEqual(['1', '1.250', '−0.500', '1 + 9.5e-7', '1 − 9.5e-7', '∞']);
    expect([measureText(Number.NaN, 0), measureText(Number.NaN, 2), measureText(0.5, 0)]).toEqual(['–', 'NaN', '0.5']);
    expect(sumsOf([1, 2, 3, -4], 2)).toEqual({ rows: [3, -1], columns: [4, -2] });
  });
});
