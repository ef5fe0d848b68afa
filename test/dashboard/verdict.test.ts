import { describe, expect, test } from 'vitest';
import { type Facts, type Verdict, verdictOf } from '../../dashboard/model/verdict.ts';
import { toStepAnswer } from '../../src/telemetry/answer.ts';
import type { RunDetail, StepAnswer, WarningAnswer } from '../../src/telemetry/api.ts';
import { testHeader, testReport } from '../support/samples.ts';

const header = testHeader('hc');
const step: StepAnswer = toStepAnswer(header, 1, testReport(header, 900));
const NOW = step.time + 3000;

const run = (change: Partial<RunDetail> = {}): RunDetail => ({
  run: 'hc',
  attempt: 1,
  streams: header.streams,
  kinds: ['hc'],
  connectionCount: header.connections.length,
  uploaded: false,
  live: true,
  outcome: null,
  startedAt: 0,
  lastStep: step.step,
  lastTime: step.time,
  lastLoss: step.loss,
  lastCompositeGain: step.compositeGain,
  maxCompositeGain: step.compositeGain,
  activeWarnings: 0,
  limits: { gain: [100, 1000], separation: 0.05, deviation: 0.5, sum: 0.2 },
  tokens: header.tokens,
  connections: header.connections,
  measures: [],
  memoryKinds: [],
  attempts: [],
  ...change,
});

const warning = (change: Partial<WarningAnswer> = {}): WarningAnswer => ({
  id: 0,
  run: 'hc',
  rule: 'gain-forecast',
  severity: 'critical',
  step: 842,
  time: NOW - 120_000,
  connection: 'block0.mlp',
  suspects: ['block0.mlp'],
  measure: 'compositeGain',
  value: 20,
  threshold: 1000,
  stepsLeft: 150,
  interval: [100, 300],
  cause: null,
  message: 'The composite gain of run hc is 20 and is forecast to reach 1000 in about 150 steps (100 to 300); block0.mlp grows most.',
  runbook: 'runbook.md#gain-forecast',
  active: true,
  clearedStep: null,
  clearedTime: null,
  acknowledgedTime: null,
  ...change,
});

const judge = (change: Partial<Facts> = {}): Verdict =>
  verdictOf({ run: run(), latest: step, warnings: [], link: { connected: true, since: 0 }, now: NOW, ...change });

const forecast = (steps: StepAnswer['forecast'][number]['steps'], high: typeof steps = 180) => ({
  ...step,
  forecast: [
    { threshold: 100, steps: 40, interval: [30, 50] as [number, number] },
    { threshold: 1000, steps, interval: [90, high] as [number, typeof high] },
  ],
});

describe('the level', () => {
  test('is healthy without an active warning, and infos are none', () => {
    const calm = judge({ warnings: [warning({ active: false }), warning({ severity: 'info', rule: 'loss-spike' })] });
    expect(calm).toMatchObject({ level: 'healthy', word: 'Healthy', connection: null, since: null, others: 0, ended: null, age: 3 });
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
    expect(judge({ latest })).toMatchObject({ level: 'act', why: 'block0.mlp holds 7 NaN or infinite values', connection: 'block0.mlp' });
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

describe('the reason and the steps left', () => {
  const why = (change: Partial<Facts>) => judge({ warnings: [warning()], ...change }).why;

  test('are those of the newest forecast of the threshold', () => {
    expect(why({ latest: forecast(120) })).toBe(
      'the composite gain is forecast to reach 1000 in about 120 steps (90–180); block0.mlp grows most',
    );
    expect(why({ latest: forecast(120, '+Inf') })).toContain('in about 120 steps (90 or more);');
    expect(why({ latest: forecast(0) })).toContain('has reached 1000');
    expect(why({ latest: forecast('+Inf') })).toContain('does not rise now');
    expect(judge({ warnings: [warning()], latest: forecast(120) }).stepsLeft).toEqual({
      measure: 'compositeGain',
      threshold: 1000,
      steps: 120,
      interval: [90, 180],
    });
  });

  test('are told as past where the run has ended', () => {
    const ended = run({ live: false, outcome: 'completed' });
    expect(why({ run: ended, latest: forecast(120) })).toContain('was forecast to reach 1000 in about 120 steps (90–180) when it ended');
    expect(why({ run: ended })).toContain('was forecast to reach 1000 about 150 steps after step 842 (100–300)');
  });

  test('without a forecast are those of the warning, less the steps since; none when they have passed', () => {
    const { stepsLeft } = judge({ warnings: [warning({ interval: [100, null] })] });
    expect(stepsLeft).toEqual({ measure: 'compositeGain', threshold: 1000, steps: 92, interval: [42, Number.POSITIVE_INFINITY] });
    expect(judge({ warnings: [warning({ stepsLeft: 10 })] }).stepsLeft).toBeNull();
  });

  test('of a healthy run are those to its highest threshold', () => {
    expect(judge({ latest: forecast('+Inf') }).stepsLeft).toMatchObject({ threshold: 1000, steps: Number.POSITIVE_INFINITY });
    expect(judge().stepsLeft).toBeNull();
  });

  test('of other rules are the first sentence, without the name of the run', () => {
    const message = 'block0.mlp of run hc runs away from the others: its gain is 1.6 × its mean. Look at its logits.';
    const runaway = warning({ rule: 'runaway-connection', severity: 'warning', stepsLeft: null, message });
    expect(why({ warnings: [runaway] })).toBe('block0.mlp runs away from the others: its gain is 1.6 × its mean');
    const stalled = warning({ rule: 'stalled', severity: 'warning', connection: null, message: 'Run hc has made no step since …' });
    expect(why({ warnings: [stalled], now: step.time + 600_000 })).toBe('the run has made no step for 10 min');
  });
});
