/** Small charts as paths. */
import { describe, expect, test } from 'vitest';
import { sparkOf, sparkPath } from '../../dashboard/model/spark.ts';
import { bandsOf } from '../support/bands.ts';

describe('a small chart', () => {
  const series = (max: (number | null)[]) => bandsOf([...max.keys()], { a: max });
  const size = { width: 100, height: 24 };
  const course = { width: 40, height: 10 };

  test('breaks at gaps and marks what is no number', () => {
    const spark = sparkOf(series([1, 2, null, 3, Number.NaN, Number.POSITIVE_INFINITY, 2]), 3, 0, 10, size)!;
    // null is no point of the line.
    expect(spark.line.match(/M/g)).toHaveLength(2);
    expect(spark.broken).toEqual([40, 50]);
    expect([spark.low, spark.high, spark.log, spark.at]).toEqual([1, 3, false, 3]);
  });

  test('is logarithmic where it spans decades, and says what is not known', () => {
    expect(sparkOf(series([1, 10, 100]), 0, 0, 2, size)).toMatchObject({ log: true });
    expect(sparkOf(series([1, 10, 100]), 90, 0, 100, size)?.at).toBeNull();
    expect(sparkOf(series([]), 0, 0, 2, size)).toBeNull();
  });

  test('of a course breaks at what is not finite and where steps are missing, and is flat where nothing happens', () => {
    expect(sparkPath(bandsOf([0, 1, 2, 3, 4], { a: [0, 1, Number.NaN, 1, 2] }), course)).toBe('M0 10L10 5M30 5L40 0');
    expect(sparkPath(bandsOf([0, 1, 3, 4], { a: [0, 1, 1, 2] }), course)).toBe('M0 10L10 5M30 5L40 0');
    expect(sparkPath(bandsOf([0, 1, 2, 3, 4], { a: [0, null, 1, null, 2] }), course)).toBe('M0 10L20 5L40 0');
    expect(sparkPath(bandsOf([0, 1, 2], { a: [1, 10, 100] }), course)).toBe('M0 10L20 5L40 0');
    expect(sparkPath(bandsOf([0, 1], { a: [3, 3] }), course)).toBe('M0 5L40 5');
    expect(sparkPath(bandsOf([0, 1], { a: [3, Number.NaN] }), course)).toBe('');
    expect(sparkPath(bandsOf([], {}), course)).toBe('');
  });
});
