/** The table of runs: order and words. */
import { describe, expect, test } from 'vitest';
import { stateWords } from '../../dashboard/model/outcome.ts';
import { nextOrder, orderOf, orderText, sortRuns } from '../../dashboard/model/runTable.ts';
import type { RunSummary } from '../../src/telemetry/api.ts';
import type { WireNumber } from '../../src/telemetry/wire.ts';

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
    expect(state({ uploaded: true })).toBe('uploaded without its end');
    expect(state({ outcome: 'interrupted' })).toBe('interrupted');
    expect(state({ outcome: 'failed' })).toBe('failed');
    expect(state({ outcome: 'unknown' })).toBe('end not known');
    expect(state({ outcome: 'completed', uploaded: true })).toBe('completed, uploaded');
    expect(state({})).toBe('written elsewhere');
  });
});
