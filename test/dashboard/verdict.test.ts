/** The verdict: its level, and what it is about. Its reasons are in reasons.test.ts. */
import { describe, expect, test } from 'vitest';
import type { RunDetail } from '../../src/telemetry/api.ts';
import { judge, NOW, run, step, warning } from '../support/verdicts.ts';

describe('the level', () => {
  test('is healthy without an active warning, and infos are none', () => {
    const calm = judge({ warnings: [warning({ active: false }), warning({ severity: 'info', rule: 'loss-spike' })] });
    expect(calm).toMatchObject({
      level: 'healthy',
      word: 'Healthy',
      why: { connection: null },
      since: null,
      others: 0,
      ended: null,
      age: 3,
    });
  });

  test('is watch with a warning, act with a critical one, which is told first', () => {
    const early = warning({ severity: 'warning', rule: 'runaway-connection', step: 10 });
    expect(judge({ warnings: [early] }).level).toBe('watch');
    expect(judge({ warnings: [early, warning({ id: 1 })] })).toMatchObject({ level: 'act', since: { step: 842 }, others: 1 });
  });

  test('counts what is known, names it so, and tells what is not known first', () => {
    const known = warning({ acknowledgedTime: 5 });
    expect(judge({ warnings: [known] })).toMatchObject({ level: 'act', knownSince: 5 });
    const fresh = warning({ id: 1, rule: 'collapse', measure: 'separation', step: 850 });
    expect(judge({ warnings: [known, fresh] })).toMatchObject({ level: 'act', knownSince: null, since: { step: 850 } });
  });

  test.each(['compositeGain', 'loss', 'gradientNorm', 'learningRate'] as const)('is act where the newest %s is no number', (key) => {
    for (const value of ['NaN', '+Inf'] as const)
      expect(judge({ latest: { ...step, [key]: value } })).toMatchObject({ level: 'act', since: { step: 900 }, stepsLeft: null });
  });

  test('names the connection that holds NaN, and since when by the warning about it', () => {
    const latest = { ...step, nonfinite: [0, 7, 9] };
    const why = { before: '', connection: 'block0.mlp', after: ' holds 7 NaN or infinite values' };
    expect(judge({ latest })).toMatchObject({ level: 'act', why });
    const warnings = [warning({ rule: 'nonfinite', step: 880 }), warning({ id: 1 })];
    expect(judge({ latest, warnings })).toMatchObject({ since: { step: 880 }, others: 1 });
  });

  test('is watch where the connection to the server is lost, with since when', () => {
    const link = { connected: false, since: 77 };
    expect(judge({ link })).toMatchObject({ level: 'watch', since: { step: null, time: 77 } });
    expect(judge({ link, warnings: [warning()] }).level).toBe('act');
  });

  test('is watch where a live run is silent for long, by the duration of its steps', () => {
    const late = (stepSeconds: number, seconds: number) =>
      judge({ latest: { ...step, stepSeconds }, now: step.time + seconds * 1000 }).level;
    expect([late(0.2, 59), late(0.2, 61), late(10, 299), late(10, 301)]).toEqual(['healthy', 'watch', 'healthy', 'watch']);
    expect(judge({ run: run({ live: false, outcome: 'completed' }), now: NOW + 1e9 }).level).toBe('healthy');
  });

  test('is unknown without a run, without a step, and where nobody says how it goes on', () => {
    expect(judge({ run: null, latest: null }).level).toBe('unknown');
    expect(judge({ latest: null })).toMatchObject({ level: 'unknown', age: null });
    expect(judge({ run: run({ live: false }) }).level).toBe('unknown');
  });
});

test('says how the run ended; a failed one is not healthy', () => {
  const ended = (outcome: RunDetail['outcome'], uploaded = false) => judge({ run: run({ live: false, outcome, uploaded }) });
  expect(ended('completed')).toMatchObject({ level: 'healthy', ended: 'completed' });
  expect(ended('interrupted')).toMatchObject({ level: 'healthy', ended: 'was interrupted' });
  expect(ended('failed')).toMatchObject({ level: 'watch', ended: expect.stringContaining('failed') });
  expect(ended('unknown')).toMatchObject({ level: 'watch', ended: expect.stringContaining('without saying how') });
  expect(ended(null, true)).toMatchObject({ level: 'healthy', ended: expect.stringContaining('uploaded') });
});
