/** What a chart gives away: CSV, JSON and table of its lines. */
import { describe, expect, it } from 'vitest';
import { csvOf, fileName, jsonOf, MAX_ROWS, tableOf } from '../../dashboard/model/exports.ts';
import type { Line } from '../../dashboard/model/lines.ts';

const line = (id: string, steps: number[], y: (number | null)[], more: Partial<Line> = {}): Line => ({
  id,
  label: id,
  colour: 'red',
  steps,
  times: steps.map((step) => 1000 * step),
  y,
  ...more,
});
const lines = [
  line('hc', [1, 2, 4], [1.5, Number.NaN, Number.POSITIVE_INFINITY]),
  line('a, "b"', [2, 3], [null, Number.NEGATIVE_INFINITY]),
  line('all', [1, 2], [0, 0], { band: true, low: [0.5, 0.25], high: [2, Number.NaN] }),
];

describe('CSV', () => {
  it('has a row for each step of any line, and says what is no number', () => {
    expect(csvOf(lines).split('\r\n')).toEqual([
      'step,time,hc,"a, ""b""",all min,all max',
      '1,1970-01-01T00:00:01.000Z,1.5,,0.5,2',
      '2,1970-01-01T00:00:02.000Z,NaN,,0.25,NaN',
      '3,1970-01-01T00:00:03.000Z,,-Inf,,',
      '4,1970-01-01T00:00:04.000Z,+Inf,,,',
      '',
    ]);
  });

  it('says which values are smoothed', () => {
    const smooth = line('loss', [1], [0.5], { smooth: 0.6, low: [0.25], high: [1] });
    expect(csvOf([smooth]).split('\r\n')[0]).toBe('step,time,loss (smoothed 0.60),loss min,loss max');
    expect(tableOf([smooth]).columns[0]).toBe('loss (smoothed 0.60)');
    expect(jsonOf('hc', 'loss', [smooth])).toContain('"label":"loss (smoothed 0.60)"');
  });

  it('keeps every digit', () => {
    expect(csvOf([line('a', [1], [0.1 + 0.2])])).toContain('0.30000000000000004');
  });
});

it('JSON keeps each line with its own steps', () => {
  expect(JSON.parse(jsonOf('hc', 'gain', lines))).toEqual({
    run: 'hc',
    chart: 'gain',
    lines: [
      { id: 'hc', label: 'hc', steps: [1, 2, 4], times: [1000, 2000, 4000], values: [1.5, 'NaN', '+Inf'] },
      { id: 'a, "b"', label: 'a, "b"', steps: [2, 3], times: [2000, 3000], values: [null, '-Inf'] },
      { id: 'all', label: 'all', steps: [1, 2], times: [1000, 2000], min: [0.5, 0.25], max: [2, 'NaN'] },
    ],
  });
});

describe('the table', () => {
  it('has the newest first', () => {
    const { columns, rows, total } = tableOf(lines);
    expect(columns).toEqual(['hc', 'a, "b"', 'all min', 'all max']);
    expect(total).toBe(4);
    expect(rows.map(({ step }) => step)).toEqual([4, 3, 2, 1]);
    expect(rows.map(({ cells }) => cells)).toEqual([
      ['∞', '', '', ''],
      ['', '−∞', '', ''],
      ['NaN', '–', '0.25', 'NaN'],
      ['1.5', '', '0.5', '2'],
    ]);
  });

  it('has no more rows than a person reads', () => {
    const steps = Array.from({ length: 3 * MAX_ROWS }, (_, i) => i);
    const { rows, total } = tableOf([line('a', steps, steps)]);
    expect([rows.length, total, rows[0].step]).toEqual([MAX_ROWS, 3 * MAX_ROWS, 3 * MAX_ROWS - 1]);
  });
});

it('file names hold nothing that a file system refuses', () => {
  expect(fileName('hc-24', 'gain', 'csv')).toBe('hc-24-gain.csv');
  expect(fileName('a/b: c', 'gain', 'png')).toBe('a_b_c-gain.png');
});
