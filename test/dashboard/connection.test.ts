import { describe, expect, test } from 'vitest';
import { aroundOne, hasMatrix, measureText, neighbour, openOf, signed, sumsOf } from '../../dashboard/model/connection.ts';
import { memoryCsv, memoryJson } from '../../dashboard/model/exports.ts';
import { barPaths, byteTicks, highestOf, memoryOf } from '../../dashboard/model/memoryStacks.ts';
import type { Bands } from '../../dashboard/model/bands.ts';
import { sparkPath } from '../../dashboard/model/spark.ts';
import { toggled } from '../../dashboard/model/view.ts';

const size = { width: 40, height: 10 };
const bandsOf = (steps: number[], rows: Record<string, (number | null)[]>, bucket = 1): Bands => ({
  steps,
  times: steps.map((step) => 1000 * step),
  bucket,
  bands: Object.entries(rows).map(([connection, max]) => ({ connection, min: [...max], max })),
});

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
    expect([1, 1.25, -0.5, 1 + 2 ** -20, 1 - 2 ** -20, Number.POSITIVE_INFINITY].map(aroundOne)).toEqual([
      '1',
      '1.250',
      '−0.500',
      '1 + 9.5e-7',
      '1 − 9.5e-7',
      '∞',
    ]);
    expect([measureText(Number.NaN, 0), measureText(Number.NaN, 2), measureText(0.5, 0)]).toEqual(['–', 'NaN', '0.5']);
    expect(sumsOf([1, 2, 3, -4], 2)).toEqual({ rows: [3, -1], columns: [4, -2] });
  });

  test('its lines break at what is not finite and where steps are missing, and are flat where nothing happens', () => {
    expect(sparkPath(bandsOf([0, 1, 2, 3, 4], { a: [0, 1, Number.NaN, 1, 2] }), size)).toBe('M0 10L10 5M30 5L40 0');
    expect(sparkPath(bandsOf([0, 1, 3, 4], { a: [0, 1, 1, 2] }), size)).toBe('M0 10L10 5M30 5L40 0');
    expect(sparkPath(bandsOf([0, 1, 2, 3, 4], { a: [0, null, 1, null, 2] }), size)).toBe('M0 10L20 5L40 0');
    expect(sparkPath(bandsOf([0, 1, 2], { a: [1, 10, 100] }), size)).toBe('M0 10L20 5L40 0');
    expect(sparkPath(bandsOf([0, 1], { a: [3, 3] }), size)).toBe('M0 5L40 5');
    expect(sparkPath(bandsOf([0, 1], { a: [3, Number.NaN] }), size)).toBe('');
    expect(sparkPath(bandsOf([], {}), size)).toBe('');
  });
});

test('memory: bars on one another, sums, and what is not known', () => {
  const connections = {
    parameters: [100, 200],
    activations: [300, 'NaN' as const],
    branch_activations: ['NaN' as const, 'NaN' as const],
    gradients: [0, 0],
    optimizer: [0, 0],
  };
  const memory = memoryOf({ connections, totals: { parameters: 1000, allocated: 5000 } }, [
    'parameters',
    'activations',
    'branch_activations',
  ]);
  expect(memory.stacks.map(({ total }) => total)).toEqual([1000, 300, null]);
  expect([memory.accounted, memory.allocated, highestOf(memory.stacks)]).toEqual([1300, 5000, 400]);
  expect(barPaths(memory.stacks, 100)).toEqual([
    'M0.05 100.00V75.00h0.9V100.00zM1.05 100.00V50.00h0.9V100.00z',
    'M0.05 75.00V0.00h0.9V75.00z',
    '',
  ]);
  expect(memoryCsv(memory, ['a', 'b'])).toBe(
    'connection,parameters (bytes),activations (bytes),branch_activations (bytes)\r\na,100,300,\r\nb,200,,\r\n',
  );
  expect(JSON.parse(memoryJson('hc', 7, memory, ['a', 'b']))).toEqual({
    run: 'hc',
    step: 7,
    chart: 'memory',
    connections: [
      { connection: 'a', parameters: 100, activations: 300, branch_activations: null },
      { connection: 'b', parameters: 200, activations: null, branch_activations: null },
    ],
    totals: { parameters: 1000, activations: 300, branch_activations: null, allocated: 5000 },
  });
  expect(memoryOf({ connections, totals: {} }, ['parameters']).allocated).toBeNull();
  expect(byteTicks(400)).toEqual([128, 256, 384]);
});
