/** The reasons of the verdict and the steps left. The words of a warning come from alerts/messages.ts: none of them stands here. */
import { describe, expect, test } from 'vitest';
import { clauseOf, growthClause } from '../../alerts/messages.ts';
import type { Facts } from '../../dashboard/model/verdict.ts';
import type { WarningAnswer } from '../../src/telemetry/api.ts';
import type { Cause } from '../../src/telemetry/warning.ts';
import { forecast, judge, NOW, run, step, warning } from '../support/verdicts.ts';

/** The reason as one text. */
const why = (change: Partial<Facts> = {}): string => {
  const { before, connection, after } = judge({ warnings: [warning()], ...change }).why;
  return `${before}${connection ?? ''}${after}`;
};
const runaway: Cause = { kind: 'runaway', connection: 'block0.mlp', figures: { growth: 1.6, usualGrowth: 1 } };

describe('the reason', () => {
  test('of a growing gain is the newest forecast of the threshold, and what grows', () => {
    const growth = `; ${growthClause(warning().cause!)}`;
    expect(why({ latest: forecast(120) })).toBe(`the composite gain is forecast to reach 1000 in about 120 steps (90–180)${growth}`);
    expect(why({ latest: forecast(120, '+Inf') })).toContain('in about 120 steps (90 or more);');
    expect(why({ latest: forecast(0) })).toBe(`the composite gain has reached 1000${growth}`);
    expect(why({ latest: forecast('+Inf') })).toContain('does not rise now;');
  });

  test('is a past one where the run has ended', () => {
    const ended = run({ live: false, outcome: 'completed' });
    expect(why({ run: ended, latest: forecast(120) })).toContain('was forecast to reach 1000 in about 120 steps (90–180) when it ended');
    expect(why({ run: ended })).toContain('was forecast to reach 1000 about 150 steps after step 842 (100–300)');
  });

  test('of other rules is the clause of the warning', () => {
    const raised = warning({ rule: 'runaway-connection', severity: 'warning', stepsLeft: null, cause: runaway });
    expect(why({ warnings: [raised] })).toBe(clauseOf(raised));
  });

  test('of a run that stands still says for how long', () => {
    const cause: Cause = { kind: 'stall', connection: null, figures: { lastStep: 900, usualSeconds: 1 } };
    const stalled = warning({ rule: 'stalled', severity: 'warning', connection: null, cause });
    expect(why({ warnings: [stalled], now: step.time + 600_000 })).toBe('the run has made no step for 10 min');
    const ended = { run: run({ live: false, outcome: 'failed' as const }), now: NOW };
    expect(why({ warnings: [stalled], ...ended })).toBe(clauseOf(stalled));
  });

  test('recorded without a cause is the message, whole', () => {
    const old = warning({ cause: null, message: 'First sentence; of run hc. The second.' });
    expect(judge({ warnings: [old], latest: forecast(0) }).why).toEqual({ before: `${old.message} `, connection: 'block0.mlp', after: '' });
    expect(why({ warnings: [{ ...old, connection: null }] })).toBe(old.message);
  });
});

describe('the connection within the reason', () => {
  const partsOf = (change: Partial<WarningAnswer>) => judge({ warnings: [warning(change)], latest: forecast(0) }).why;

  test('is a part of its own, also where its name is a word of the sentence', () => {
    const connection = 'gain';
    const cause = { ...warning().cause!, connection };
    const { before, after } = partsOf({ connection, cause });
    expect(before).toContain('the composite gain has reached 1000');
    expect(`${before}${connection}${after}`).toBe(`the composite gain has reached 1000; ${growthClause(cause)}`);
  });

  test('follows words that do not name it', () => {
    const cause: Cause = { kind: 'learning-rate', connection: 'block0.mlp', figures: { rateFactor: 2, passedBy: 0 } };
    const before = `the composite gain has reached 1000; ${growthClause(cause)}; `;
    expect(partsOf({ cause })).toEqual({ before, connection: 'block0.mlp', after: '' });
  });
});

describe('the steps left', () => {
  test('are those of the newest forecast', () => {
    const left = { measure: 'compositeGain', threshold: 1000, steps: 120, interval: [90, 180] };
    expect(judge({ warnings: [warning()], latest: forecast(120) }).stepsLeft).toEqual(left);
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
});
