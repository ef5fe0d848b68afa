/** Axes, gaps and the cursor of the charts, and what is kept of a series that grows. */
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';

import { appendStep, bandsOf, envelopeOf, pointWidth } from '../../dashboard/model/bands.ts';
import { csvOf } from '../../dashboard/model/exports.ts';
import { grownEnvelope, grownWorst, worstBand } from '../../dashboard/model/grown.ts';
import {
  bandLine,
  cut,
  fill,
  gapBehind,
  type Line,
  marksOf,
  nearest,
  type Point,
  pointAt,
  radiusOf,
  tooltipText,
} from '../../dashboard/model/lines.ts';
import { axisFor, extentOf, logTicks, stepTicks, tickLabel, timeTicks } from '../../dashboard/model/ticks.ts';
import { clearCursor, cursor, moveCursor, offerSteps, withdrawSteps } from '../../dashboard/state/cursor.ts';
import { bandsOf as seriesOf } from '../support/bands.ts';

const lineOf = (steps: number[], y: (number | null)[]): Line => ({ id: 'a', label: 'a', colour: 'red', steps, times: steps, y });

const filled = (line: Line, log = false) => {
  const points: Point[] = [];
  fill(points, line, 'step', log, { min: 0.5, max: 9 });
  return points;
};

describe('ticks', () => {
  it('are powers of ten, with 2 and 5 where these are few, also below 1', () => {
    expect(logTicks({ min: 0.05, max: 20 })).toEqual([0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20]);
    expect(logTicks({ min: 3e-5, max: 2e3 })).toEqual([1e-4, 1e-3, 0.01, 0.1, 1, 10, 100, 1000]);
    expect(logTicks({ min: 0.8, max: 1.6 })).toEqual([0.8, 1, 1.2, 1.4, 1.6]);
  });

  it('lie within a log axis, and are neither none nor many', () => {
    fc.assert(
      fc.property(fc.double({ min: -30, max: 30, noNaN: true }), fc.double({ min: 0.3, max: 40, noNaN: true }), (from, decades) => {
        const axis = { min: 10 ** from, max: 10 ** (from + decades) };
        const ticks = logTicks(axis);
        expect(ticks.length).toBeGreaterThan(1);
        expect(ticks.length).toBeLessThan(14);
        for (const tick of ticks) expect(tick >= axis.min * 0.999999 && tick <= axis.max * 1.000001).toBe(true);
      }),
    );
  });

  it('of steps are whole, of time are round', () => {
    expect(stepTicks({ min: 1, max: 240 }, 5)).toEqual([50, 100, 150, 200]);
    expect(stepTicks({ min: 3, max: 5 }, 8)).toEqual([3, 4, 5]);
    const noon = new Date(2026, 0, 1, 12, 0, 7).getTime();
    const labels = timeTicks({ min: noon, max: noon + 60_000 }).map(({ label }) => label);
    expect(labels.join(' ')).toBe('12:00:10 12:00:20 12:00:30 12:00:40 12:00:50 12:01:00');
    expect([1e5, 1000, 0.01, 2e-4].map(tickLabel)).toEqual(['1e5', '1000', '0.01', '2e-4']);
  });
});

describe('axes', () => {
  it('take only what has a place on them', () => {
    const line = lineOf([1, 2, 3, 4, 5], [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 4]);
    expect(extentOf([line], true)).toEqual({ min: 4, max: 4 });
    expect(extentOf([line], false)).toEqual({ min: -1, max: 4 });
    expect(extentOf([lineOf([1], [null])], false)).toBeNull();
  });

  it('on a log scale span at least a factor of 2', () => {
    const { min, max } = axisFor({ min: 1, max: 1.0001 }, true);
    expect(max / min).toBeCloseTo(2);
    expect(axisFor({ min: 0.1, max: 3 }, false).min).toBe(0);
  });
});

describe('points', () => {
  it('are found by the nearest step', () => {
    const steps = [0, 10, 20, 30];
    expect([-5, 4, 6, 29, 99].map((step) => nearest(steps, step))).toEqual([0, 0, 1, 3, 3]);
    expect(nearest([], 1)).toBe(-1);
    expect([12, 35, 99].map((step) => pointAt({ steps }, step))).toEqual([1, 3, -1]);
  });

  it('are cut to what is shown', () => {
    const line = { ...lineOf([1, 2, 3, 4], [5, 6, 7, 8]), low: [1, 2, 3, 4], high: [9, 9, 9, 9] };
    expect(cut(line, 'step', { min: 2, max: 3 })).toMatchObject({ steps: [2, 3], y: [6, 7], low: [2, 3], high: [9, 9] });
    expect(cut(line, 'step', { min: 0, max: 9 })).toBe(line);
  });

  it('leave a gap where steps are missing, but not where buckets end and single steps begin', () => {
    const gaps = (steps: number[], bucket = 1) => steps.filter((_, i) => gapBehind({ steps, apart: pointWidth(steps, bucket) }, i));
    expect(gaps([1, 2, 3, 20, 21, 22])).toEqual([3]);
    expect(gaps([1, 2, 3, 100, 200, 201])).toEqual([3, 100]);
    expect(gaps([1, 3, 4, 5, 8, 9])).toEqual([1, 5]);
    expect(gaps([0, 64, 128, 192, 193, 194], 64)).toEqual([]);
    expect(gaps([0, 64, 128, 256, 320], 64)).toEqual([128]);
    expect(gaps([10, 20, 30, 40])).toEqual([]);
    expect(gapBehind({ steps: [1, 99] }, 0)).toBe(false);
  });

  it('that are not known are left out, so that the line goes on; NaN and missing steps break it', () => {
    const steps = [1, 2, 3, 4, 5, 8];
    const points = filled({ ...lineOf(steps, [7, null, 6, Number.NaN, 5, 4]), apart: 1 });
    expect(points.map(({ x, y }) => `${x} ${y}`)).toEqual(['1 7', '3 6', '4 NaN', '5 5', '6.5 NaN', '8 4']);
    expect(radiusOf(points, 3)).toEqual([0, 0, 0, 3, 0, 3]);
    expect(radiusOf(points.slice(0, 3), 3)).toBe(0);
  });

  it('below a log axis lie at its end, but say their value', () => {
    const [point] = filled(lineOf([4], [-2]), true);
    expect([point.y, tooltipText(point, 'loss')]).toEqual([0.5, 'loss: -2 · step 4']);
  });

  it('that are no number are marked once for each step, also within a bucket', () => {
    const line = { ...lineOf([8, 16], [2, Number.NaN]), low: [1, 1], high: [2, Number.NaN] };
    const [mark, ...others] = marksOf([line, { ...line, label: 'b' }], 'step', { min: 0, max: 9 });
    expect(others).toEqual([]);
    expect([mark.step, mark.nan, tooltipText(mark, '')]).toEqual([16, true, 'b, a: NaN · step 16']);
  });
});

describe('the cursor', () => {
  afterEach(() => {
    withdrawSteps('gain');
    clearCursor();
  });

  it('goes point by point, from the newest, and stays among what is shown', () => {
    moveCursor(1);
    expect(cursor.value).toBeNull();
    offerSteps('gain', [10, 20, 30]);
    const steps = [-1, -1, -9].map((by) => {
      moveCursor(by);
      return cursor.value;
    });
    expect(steps).toEqual([30, 20, 10]);
    clearCursor();
    expect(cursor.value).toBeNull();
  });
});

describe('lines of series', () => {
  const look = { id: 'a', label: 'a', colour: 'red', smooth: 0, log: true } as const;
  it('show minimum and maximum where steps were reduced, or are smoothed', () => {
    const bands = (bucket: number) => ({ steps: [1, 2], times: [1, 2], bucket, bands: [] });
    const band = { min: [1, 4], max: [4, 9] };
    expect(bandLine(bands(1), band, { ...look, value: 'largest' })).toEqual({ ...lineOf([1, 2], [4, 9]), apart: 1 });
    expect(bandLine(bands(2), band, { ...look, value: 'middle' })).toMatchObject({ y: [2, 6], low: [1, 4], high: [4, 9] });
    expect(bandLine(bands(1), band, { ...look, value: 'largest', smooth: 0.5 })).toMatchObject({ y: [4, 6], high: [4, 9], smooth: 0.5 });
  });

  it('keep a loss that is reported every 10 steps as a line without NaN', () => {
    const steps = Array.from({ length: 41 }, (_, i) => i);
    const values = steps.map((step) => (step % 10 === 0 ? step : null));
    const answer = { run: 'hc', measure: 'loss', bucket: 1, steps, times: steps, series: [{ connection: '', min: values, max: values }] };
    const loss = bandsOf(answer);
    const line = bandLine(loss, loss.bands[0], { ...look, value: 'middle', log: false });
    expect(marksOf([line], 'step', { min: 0, max: 40 })).toEqual([]);
    expect(filled(line).map(({ y }) => y)).toEqual([0, 10, 20, 30, 40]);
    const cells = csvOf([line])
      .split('\r\n')
      .map((row) => row.split(',')[2]);
    expect(cells.slice(10, 12)).toEqual(['', '10']);
    const reduced = { ...loss, bucket: 8 };
    expect(bandLine(reduced, loss.bands[0], { ...look, value: 'middle' }).y.slice(9, 12)).toEqual([null, 10, null]);
  });

  it('that grow at the end give what computing anew gives', () => {
    const number = fc.oneof(fc.double({ noNaN: true }), fc.constant(Number.NaN));
    fc.assert(
      fc.property(fc.array(fc.tuple(number, number, number), { maxLength: 12 }), (rows) => {
        const growing = seriesOf([], { a: [], b: [], c: [] });
        rows.forEach((row, i) => {
          appendStep(growing, i, i, row);
          expect(grownEnvelope(growing)).toEqual(envelopeOf(growing, i + 1));
          expect(grownWorst(growing)).toEqual(worstBand(growing, i + 1));
        });
        expect(grownEnvelope(growing, 'b', (name) => name === 'b').max).toEqual(growing.bands[1].max);
      }),
    );
  });
});
