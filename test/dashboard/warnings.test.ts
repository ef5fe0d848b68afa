import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { partsOf, readRunbook } from '../../dashboard/model/runbookBlocks.ts';
import { nextOrder, orderOf, orderText, sortRuns, stateWords } from '../../dashboard/model/runTable.ts';
import { sparkOf } from '../../dashboard/model/spark.ts';
import { barsOf, ticksOf } from '../../dashboard/model/timeline.ts';
import type { RunSummary, SeriesAnswer, WarningAnswer } from '../../src/telemetry/api.ts';
import { RULES } from '../../src/telemetry/warning.ts';
import type { WireNumber } from '../../src/telemetry/wire.ts';

describe('the timeline', () => {
  const warning = (rule: WarningAnswer['rule'], step: number, clearedStep: number | null = null) =>
    ({ rule, step, clearedStep, active: clearedStep === null }) as WarningAnswer;
  const axis = { from: 0, to: 1000, width: 1000 };

  test('gives overlapping warnings of a rule lanes of their own, and uses a lane again', () => {
    const given = [
      warning('gain-forecast', 100),
      warning('gain-forecast', 200, 300),
      warning('gain-forecast', 400, 500),
      warning('collapse', 150, 700),
    ];
    const { rows, bars, lanes } = barsOf(given, axis, 900);
    expect(rows).toEqual([
      { rule: 'gain-forecast', firstLane: 0, lanes: 2 },
      { rule: 'collapse', firstLane: 2, lanes: 1 },
    ]);
    expect(bars.map(({ x, width, lane }) => [x, width, lane])).toEqual([
      [100, 800, 0],
      [200, 100, 1],
      [400, 100, 1],
      [150, 550, 2],
    ]);
    expect(lanes).toBe(3);
  });

  test('shows only what lies in the shown steps, cut at their ends', () => {
    const zoomed = { from: 400, to: 600, width: 200 };
    const { bars } = barsOf([warning('collapse', 100, 300), warning('collapse', 350, 500), warning('collapse', 700)], zoomed, 900);
    expect(bars.map(({ x, width }) => [x, width])).toEqual([[0, 100]]);
  });

  test('stays small with thousands of warnings', () => {
    const many = Array.from({ length: 5000 }, (_, i) => warning('loss-spike', i / 5, i / 5 + 1));
    const { bars, lanes } = barsOf(many, axis, 1000);
    expect(lanes).toBe(4);
    expect(bars.length).toBeLessThan(1200);
  });

  test('has round ticks', () => {
    expect(ticksOf({ from: 0, to: 1000, width: 1 }, 5)).toEqual([0, 200, 400, 600, 800, 1000]);
    expect(ticksOf({ from: 7, to: 9, width: 1 }, 5)).toEqual([7, 8, 9]);
  });
});

describe('a small chart', () => {
  const series = (max: (WireNumber | null)[]): SeriesAnswer => ({
    run: 'hc',
    measure: 'loss',
    bucket: 1,
    steps: max.map((_, i) => i),
    times: max.map((_, i) => i),
    series: [{ connection: '', min: max, max }],
  });
  const size = { width: 100, height: 24 };

  test('breaks at gaps and marks what is no number', () => {
    const spark = sparkOf(series([1, 2, null, 3, 'NaN', '+Inf', 2]), 3, 0, 10, size)!;
    // null is no point of the line.
    expect(spark.line.match(/M/g)).toHaveLength(2);
    expect(spark.broken).toEqual([40, 50]);
    expect([spark.low, spark.high, spark.log]).toEqual([1, 3, false]);
    expect(spark.at).toEqual({ x: 30, y: 2, value: 3 });
  });

  test('is logarithmic where it spans decades, and says what is not known', () => {
    expect(sparkOf(series([1, 10, 100]), 0, 0, 2, size)).toMatchObject({ log: true });
    expect(sparkOf(series([1, 10, 100]), 90, 0, 100, size)?.at).toBeNull();
    expect(sparkOf(series([]), 0, 0, 2, size)).toBeNull();
  });
});

test('the runbook has an entry for each rule, as blocks', () => {
  const entries = readRunbook(readFileSync(new URL('../../alerts/runbook.md', import.meta.url), 'utf8'));
  for (const rule of RULES) expect(entries.get(rule)?.map(({ kind }) => kind)).toEqual(['text', 'text', 'text', 'list', 'text', 'steps']);
  expect(readRunbook('# R\n\n## a\n\none\ntwo\n\n1. x\n2. y\n').get('a')).toEqual([
    { kind: 'text', text: 'one two' },
    { kind: 'steps', items: ['x', 'y'] },
  ]);
  expect(partsOf('use `a` or <b>')).toEqual([
    { text: 'use ', code: false },
    { text: 'a', code: true },
    { text: ' or <b>', code: false },
  ]);
});

describe('the table of runs', () => {
  const row = (run: string, lastCompositeGain: WireNumber | null, change: Partial<RunSummary> = {}) =>
    ({ run, lastCompositeGain, kinds: [], outcome: null, live: false, uploaded: false, ...change }) as unknown as RunSummary;
  const rows = [row('b', 2), row('run-10', '+Inf'), row('run-9', null), row('a', 'NaN')];
  const names = (sorted: RunSummary[]) => sorted.map(({ run }) => run);

  test('sorts both ways, with what is not known last, and leaves the order of the server', () => {
    expect(names(sortRuns(rows, null))).toEqual(['b', 'run-10', 'run-9', 'a']);
    expect(names(sortRuns(rows, { key: 'gain', direction: 'descending' }))).toEqual(['run-10', 'b', 'run-9', 'a']);
    expect(names(sortRuns(rows, { key: 'gain', direction: 'ascending' }))).toEqual(['b', 'run-10', 'run-9', 'a']);
    expect(names(sortRuns(rows, { key: 'run', direction: 'ascending' }))).toEqual(['a', 'b', 'run-9', 'run-10']);
  });

  test('turns a column round, and begins numbers with the largest', () => {
    expect(nextOrder(null, 'gain')).toEqual({ key: 'gain', direction: 'descending' });
    expect(nextOrder({ key: 'gain', direction: 'descending' }, 'gain').direction).toBe('ascending');
    expect(nextOrder(null, 'run').direction).toBe('ascending');
    expect(orderOf(orderText({ key: 'gain', direction: 'descending' }))).toEqual({ key: 'gain', direction: 'descending' });
    expect([null, '', 'gain', 'gain-up', 'nothing-ascending'].map(orderOf)).toEqual(new Array(5).fill(null));
  });

  test('says how each run goes', () => {
    const state = (change: Partial<RunSummary>) => stateWords(row('a', 1, change));
    expect(state({ live: true })).toBe('live');
    expect(state({ outcome: 'interrupted' })).toBe('interrupted');
    expect(state({ outcome: 'failed' })).toBe('failed');
    expect(state({ outcome: 'unknown' })).toBe('end not known');
    expect(state({ outcome: 'completed', uploaded: true })).toBe('completed, uploaded');
    expect(state({})).toBe('written elsewhere');
  });
});
