import { describe, expect, test } from 'vitest';
import { bytes, duration, fromWire, shown } from '../../dashboard/format.ts';
import { bannerText } from '../../dashboard/headline.ts';
import { addStep, createHistory, POINTS, SHOWN_MEASURES, SHOWN_SCALARS } from '../../dashboard/history.ts';
import { toStepAnswer } from '../../src/telemetry/answer.ts';
import type { RunDetail, SeriesAnswer } from '../../src/telemetry/api.ts';
import { toWire } from '../../src/telemetry/wire.ts';
import { testHeader, testReport } from '../support/samples.ts';

test('numbers from the wire, and for people', () => {
  for (const value of [1.5, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) expect(fromWire(toWire(value))).toEqual(value);
  expect(fromWire(null)).toBeNaN();
  expect([
    shown(265.6234),
    shown(1.00000012),
    shown(12345678),
    shown(2.3e-8),
    shown(0),
    shown(Number.NaN),
    shown(Number.POSITIVE_INFINITY),
    shown(null),
  ]).toEqual(['265.6', '1', '1.23e+7', '2.30e-8', '0', 'NaN', '∞', '–']);
  expect([bytes(0), bytes(876), bytes(1246196), bytes(3 * 2 ** 40)]).toEqual(['0 B', '876 B', '1.19 MiB', '3 TiB']);
  expect([duration(14.4), duration(600), duration(7200)]).toEqual(['14 s', '10 min', '2 h']);
});

describe('the history of a run', () => {
  const header = testHeader('hc');
  const step = (n: number, attempt = 1) => toStepAnswer(header, attempt, testReport(header, n));
  const start = (steps: number[]) => {
    const answers = [...SHOWN_MEASURES, ...SHOWN_SCALARS].map((measure): SeriesAnswer => {
      const names = measure === 'loss' || measure === 'gradientNorm' ? [''] : header.connections.map((c) => c.name);
      return {
        run: 'hc',
        measure,
        bucket: 1,
        steps,
        times: steps,
        series: names.map((connection) => ({ connection, min: steps, max: steps })),
      };
    });
    return createHistory({ attempt: 1, connections: header.connections } as unknown as RunDetail, null, answers);
  };

  test('takes on each step once, after what the series had', () => {
    const history = start([1, 2, 3]);
    for (const n of [2, 3, 4, 4, 5]) expect(addStep(history, step(n))).toBe(true);
    expect(history.scalars.loss.map((p) => p.x)).toEqual([1, 2, 3, 4, 5]);
    expect(history.measures.forwardGain).toHaveLength(3);
    expect(history.measures.forwardGain[2].map((p) => p.x)).toEqual([1, 2, 3, 4, 5]);
    expect(history.latest?.step).toBe(5);
  });

  test('asks to be loaded again on a new attempt, and when it has grown too long', () => {
    const history = start([]);
    expect(addStep(history, step(1, 2))).toBe(false);
    for (let n = 1; n <= 2 * POINTS; n++) expect(addStep(history, step(n))).toBe(true);
    expect(addStep(history, step(2 * POINTS + 1))).toBe(false);
  });
});

test('the banner: a lost connection, then silence of a live run, by the pace of its steps', () => {
  const calm = { connected: true, live: true, secondsSinceStep: 9, stepSeconds: 0.2 };
  expect(bannerText(calm)).toBeNull();
  expect(bannerText({ ...calm, secondsSinceStep: 30 })).toBe('No step for 30 s.');
  expect(bannerText({ ...calm, secondsSinceStep: 30, stepSeconds: 10 })).toBeNull();
  expect(bannerText({ ...calm, secondsSinceStep: 30, live: false })).toBeNull();
  expect(bannerText({ ...calm, connected: false })).toMatch(/connection to gainwatch is lost/);
});
