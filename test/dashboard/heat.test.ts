/** The heatmap as numbers: rows, colours, columns. */
import { describe, expect, test } from 'vitest';
import { clip } from '../../dashboard/model/bands.ts';
import {
  BLANK,
  BROKEN,
  codeOf,
  columnAt,
  columnOfStep,
  columnsOf,
  labelEvery,
  largestGain,
  ONE,
  orderRows,
  pixelCodes,
  pixelsOf,
  rangeOf,
  rowStepsLeft,
  scaleShare,
} from '../../dashboard/model/heat.ts';
import { gainMeasure } from '../../dashboard/model/view.ts';
import { bandsOf } from '../support/bands.ts';

const all = () => true;
const LIMIT = 1000;
const names = (rows: { connection: string }[]) => rows.map(({ connection }) => connection);

describe('rows of the heatmap', () => {
  const steps = [1, 2, 3, 4];
  const bands = bandsOf(steps, {
    calm: [1, 1, 1, 1],
    high: [50, 50, 50, 50],
    rising: [1, 2, 4, 8],
    broken: [1, 1, 1, Number.NaN],
    lost: [1, 1, 1, Number.POSITIVE_INFINITY],
  });

  test('are those of the asked measure', () => {
    expect(gainMeasure({ gain: 'composite', direction: 'backward' })).toBe('compositeBackwardGain');
    expect(gainMeasure({ gain: 'layer', direction: 'forward' })).toBe('forwardGain');
  });

  test('are ordered by layer, by recent gain or by steps left, what is not finite first', () => {
    expect(names(orderRows(bands, 'layer', LIMIT, all))).toEqual(['calm', 'high', 'rising', 'broken', 'lost']);
    expect(names(orderRows(bands, 'gain', LIMIT, all))).toEqual(['broken', 'lost', 'high', 'rising', 'calm']);
    expect(names(orderRows(bands, 'left', LIMIT, all))).toEqual(['broken', 'lost', 'rising', 'calm', 'high']);
    expect(names(orderRows(bands, 'gain', LIMIT, (name) => name !== 'broken' && name !== 'lost'))).toEqual(['high', 'rising', 'calm']);
    expect(names(bands.bands)).toEqual(['calm', 'high', 'rising', 'broken', 'lost']);
  });

  test('are worst where a bucket holds a NaN, and least where nothing is known', () => {
    const marked = bandsOf([8, 16], { a: [9, 9], b: [1, Number.NaN], c: [5, null] }, 8);
    marked.bands[1].min = [1, 1];
    expect(names(orderRows(marked, 'gain', LIMIT, all))).toEqual(['b', 'a', 'c']);
    expect([...pixelCodes(marked.bands, { from: [0, 1], to: [1, 2] }, 1, 2)].slice(3)).toEqual([BROKEN, codeOf(5, 1), BLANK]);
  });

  test('say the largest gain and the steps left', () => {
    expect(bands.bands.map(largestGain)).toEqual([1, 50, 8, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]);
    expect(rowStepsLeft(bands, bands.bands[2], LIMIT)).toBeCloseTo(Math.log2(1000 / 8));
    expect(rowStepsLeft(bands, bands.bands[2], 16)).toBeCloseTo(1);
    // Of a row that does not rise, and of a run without a limit.
    expect(rowStepsLeft(bands, bands.bands[0], LIMIT)).toBe(Number.POSITIVE_INFINITY);
    expect(rowStepsLeft(bands, bands.bands[2], Number.POSITIVE_INFINITY)).toBe(Number.POSITIVE_INFINITY);
  });

  test('keep only the points of the range', () => {
    const part = clip(bands, { from: 2, to: 3 });
    expect(part).toMatchObject({ steps: [2, 3], times: [2000, 3000] });
    expect(part.bands[2].max).toEqual([2, 4]);
    expect(clip(bands, { from: null, to: null })).toBe(bands);
    expect(clip(bands, { from: 9, to: null }).steps).toEqual([]);
    expect(clip(bands, { from: null, to: 0 }).steps).toEqual([]);
  });
});

describe('colours of the heatmap', () => {
  test('are centred on 1, log, with a code of its own for what is not finite', () => {
    const { bands } = bandsOf([1, 2], { a: [0.1, 10], b: [Number.NaN, Number.POSITIVE_INFINITY], c: [0, 1] });
    const range = rangeOf(bands);
    expect(range).toBeCloseTo(1);
    expect([1, 10, 0.1, 0, -3].map((gain) => scaleShare(codeOf(gain, range)))).toEqual([0, 1, -1, -1, -1]);
    expect(scaleShare(codeOf(Math.sqrt(10), range))).toBeCloseTo(0.5);
    expect([Number.NaN, Number.POSITIVE_INFINITY].map((gain) => codeOf(gain, range))).toEqual([BROKEN, BROKEN]);
    expect(codeOf(1, range)).toBe(ONE);
  });

  test('reach as far as the smallest gain, and 10 % at least', () => {
    expect(rangeOf(bandsOf([1], { a: [0.01], b: [2] }).bands)).toBeCloseTo(2);
    expect(rangeOf(bandsOf([1], { a: [1.001] }).bands)).toBeCloseTo(Math.log10(1.1));
    expect(rangeOf([])).toBeCloseTo(Math.log10(1.1));
  });
});

describe('columns of the heatmap', () => {
  test('are as wide as a bucket, or as the usual distance, and leave gaps empty', () => {
    expect(columnsOf([1, 2, 3, 8, 9], 1)).toEqual({ from: [1, 2, 3, 8, 9], to: [2, 3, 4, 9, 10] });
    expect(columnsOf([10, 20, 30, 60], 1).to).toEqual([20, 30, 40, 70]);
    expect(columnsOf([1, 8, 16, 17, 18], 8).to).toEqual([8, 16, 17, 18, 19]);
    expect(columnsOf([8, 16, 40], 8).to).toEqual([16, 24, 48]);
    expect(columnsOf([5], 1).to).toEqual([6]);
    expect(columnsOf([], 1)).toEqual({ from: [], to: [] });
  });

  test('are found by place and by step', () => {
    const columns = columnsOf([1, 2, 3, 8, 9], 1);
    expect([0, 0.12, 0.5, 0.99].map((share) => columnAt(columns, share))).toEqual([0, 1, -1, 4]);
    expect([0, 1, 3, 5, 8, 10].map((step) => columnOfStep(columns, step))).toEqual([-1, 0, 2, -1, 3, -1]);
  });

  test('fill whole pixels, and a spike outlasts a lack of them', () => {
    const { steps, bands } = bandsOf([1, 2, 3, 6], { a: [1, 1, Number.NaN, 10], b: [10, 1, 1, 1] });
    const wide = pixelsOf(columnsOf(steps, 1), 12);
    expect(wide).toEqual({ from: [0, 2, 4, 10], to: [2, 4, 6, 12] });
    const codes = pixelCodes(bands, wide, 1, 12);
    expect([...codes.slice(0, 12)]).toEqual([ONE, ONE, ONE, ONE, BROKEN, BROKEN, BLANK, BLANK, BLANK, BLANK, 254, 254]);
    const narrow = pixelCodes(bands, pixelsOf(columnsOf(steps, 1), 2), 1, 2);
    expect([...narrow]).toEqual([ONE, BROKEN, 254, ONE]);
  });

  test('labels keep a distance', () => expect([26, 10, 9, 2.5].map((height) => labelEvery(height))).toEqual([1, 1, 2, 4]));
});
