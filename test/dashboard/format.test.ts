/** Numbers for people. */
import { expect, test } from 'vitest';
import { about, bytes, duration, range, shareOfTime, shown } from '../../dashboard/model/format.ts';

test('numbers for people', () => {
  const values = [265.6234, 1.00000012, 12345678, 2.3e-8, 0, Number.NaN, Number.POSITIVE_INFINITY, null];
  expect(values.map((value) => shown(value))).toEqual(['265.6', '1', '1.23e+7', '2.30e-8', '0', 'NaN', '∞', '–']);
  expect([0, 876, 1246196, 3 * 2 ** 40, null, Number.NaN].map(bytes)).toEqual(['0 B', '876 B', '1.19 MiB', '3 TiB', '–', '–']);
  expect([14.4, 600, 7200, 3 * 86_400].map(duration)).toEqual(['14 s', '10 min', '2 h', '3 days']);
  expect([99.6, 1234, Number.POSITIVE_INFINITY].map(about)).toEqual(['100', '1200', '∞']);
  expect([range(null), range([90, 180]), range([90, null])]).toEqual(['', ' (90–180)', ' (90 or more)']);
});

test("what the monitor costs is a share of the run's time once that is known", () => {
  expect(shareOfTime(0.6, 120_000)).toBe(0.5);
  expect([59_999, 0, -33].map((elapsed) => shareOfTime(0.0014, elapsed))).toEqual([null, null, null]);
});
