/** Where the bars of the warnings lie. */
import { describe, expect, test } from 'vitest';
import { barsOf } from '../../dashboard/model/timeline.ts';
import type { WarningAnswer } from '../../src/telemetry/api.ts';

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
    expect(bars.map(({ x, width, lane }) => `${x} ${width} ${lane}`)).toEqual(['100 800 0', '200 100 1', '400 100 1', '150 550 2']);
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
});
