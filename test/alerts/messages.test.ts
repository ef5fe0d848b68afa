/** The words of a warning of each kind, to the letter: the only test that knows them. */
import { describe, expect, it } from 'vitest';
import { clauseOf, growthClause, messageOf } from '../../alerts/messages.ts';
import type { WarningFacts } from '../../alerts/phrases.ts';
import type { Cause, CauseKind } from '../../src/telemetry/warning.ts';

const FACTS = { run: 'hc-24', severity: 'warning', step: 300, threshold: 100, stepsLeft: null, interval: null } as const;

interface Case extends Partial<Omit<WarningFacts, 'cause'>> {
  cause: Omit<Cause, 'connection'> & { connection?: string };
  message: string;
}

const gain: Partial<WarningFacts> = { measure: 'compositeGain', value: 41.234, stepsLeft: 120, interval: [90, 181] };
const separation: Partial<WarningFacts> = { measure: 'separation', value: 0.1234, threshold: 0.05, stepsLeft: 88, interval: [40, null] };
const advice = ': stop, and go back to a checkpoint before it';

const CASES: { readonly [K in CauseKind]: readonly Case[] } = {
  'gain-growth': [
    {
      ...gain,
      cause: { kind: 'gain-growth', connection: 'block3.attention', figures: { passedBy: -0.9 } },
      message: 'The composite gain of run hc-24 is 41.2 and may reach 100 in about 120 steps (90 to 181); block3.attention grows most.',
    },
    {
      ...gain,
      severity: 'critical',
      interval: [90, null],
      cause: { kind: 'gain-growth', figures: { passedBy: -0.9 } },
      message:
        'The composite gain of run hc-24 is 41.2 and is forecast to reach 100 in about 120 steps (90 or more); no connection grows more than the others.',
    },
    {
      ...gain,
      value: '+Inf',
      stepsLeft: 0,
      interval: [0, 0],
      cause: { kind: 'gain-growth', connection: 'a', figures: { passedBy: 0 } },
      message: 'The composite gain of run hc-24 is Infinity and has reached 100; a grows most.',
    },
  ],
  'learning-rate': [
    {
      ...gain,
      stepsLeft: null,
      interval: [0, null],
      cause: { kind: 'learning-rate', connection: 'a', figures: { rateFactor: 1.5, passedBy: -0.1 } },
      message:
        'The composite gain of run hc-24 is 41.2 and may reach 100 at a time that cannot be told yet; the learning rate is 1.5 × its recent mean.',
    },
  ],
  runaway: [
    ...(['forwardGain', 'logitRange'] as const).map((measure): Case => {
      const what = measure === 'logitRange' ? 'range of the logits' : 'gain';
      return {
        measure,
        value: 1.876,
        cause: { kind: 'runaway', connection: 'block1.mlp', figures: { growth: 1.876, usualGrowth: 1 } },
        message: `block1.mlp of run hc-24 runs away from the others: its ${what} is 1.88 × its recent mean, the median connection's 1 ×. Look at its learning rate and its logits.`,
      };
    }),
  ],
  collapse: [
    {
      ...separation,
      cause: { kind: 'collapse', figures: { passedBy: -0.3 } },
      message:
        'The streams of run hc-24 collapse into one: their separation is 0.123 and may fall below 0.05 in about 88 steps (40 or more).',
    },
    {
      ...separation,
      value: 0.04,
      cause: { kind: 'collapse', figures: { passedBy: 0.2 } },
      message: 'The streams of run hc-24 collapse into one: their separation is 0.04 and is below 0.05.',
    },
  ],
  'collapsed-start': [
    {
      ...separation,
      value: 0.00123,
      cause: { kind: 'collapsed-start', figures: {} },
      message: 'The streams of run hc-24 have been one from the start: their separation is 0.00123 and has never been above 0.05.',
    },
  ],
  'lost-mass': [
    {
      measure: 'columnSumMin',
      value: 0.1,
      cause: { kind: 'lost-mass', connection: 'a', figures: {} },
      message: 'a of run hc-24 loses a stream: its smallest column sum is 0.1 instead of 1.',
    },
  ],
  'deviation-growth': [
    {
      measure: 'columnDeviation',
      value: 0.06789,
      cause: { kind: 'deviation-growth', connection: 'a', figures: { growth: 3.456, usualGrowth: 1.02 } },
      message:
        "a of run hc-24 drifts off the doubly stochastic matrices: deviation 0.0679, 3.46 × its recent mean, the median connection's 1.02 ×. Look at its logits and the number of Sinkhorn iterations.",
    },
  ],
  'deviation-high': [
    {
      measure: 'rowDeviation',
      value: 0.6,
      cause: { kind: 'deviation-high', connection: 'a', figures: {} },
      message:
        'a of run hc-24 drifts off the doubly stochastic matrices: deviation 0.6, high for any connection. Look at its logits and the number of Sinkhorn iterations.',
    },
  ],
  'dead-routing': [
    {
      measure: 'routingEntropy',
      value: 0.001,
      cause: { kind: 'dead-routing', connection: 'a', figures: { steps: 200 } },
      message:
        'a of run hc-24 has routed hard for 200 steps (entropy 0.1 % of its maximum) and its logits get no gradient: it will not change any more.',
    },
  ],
  'nonfinite-values': [
    {
      measure: 'nonfinite',
      value: 3,
      cause: { kind: 'nonfinite-values', connection: 'a', figures: { count: 3 } },
      message: `a of run hc-24 holds 3 NaN or infinite values at step 300${advice}.`,
    },
  ],
  'nonfinite-scalar': [
    ...(
      [
        ['compositeGain', 'composite gain', '+Inf', 'Infinity'],
        ['loss', 'loss', 'NaN', 'NaN'],
        ['gradientNorm', 'gradient norm', Number.NEGATIVE_INFINITY, '-Infinity'],
      ] as const
    ).map(
      ([measure, name, value, shown]): Case => ({
        measure,
        value: value as number,
        cause: { kind: 'nonfinite-scalar', figures: {} },
        message: `The ${name} of run hc-24 is ${shown} at step 300${advice}.`,
      }),
    ),
  ],
  stall: [
    {
      measure: 'time',
      value: 61.4,
      cause: { kind: 'stall', figures: { lastStep: 300, usualSeconds: 0.98765 } },
      message: 'Run hc-24 has made no step since step 300, 61.4 s ago; it used to take 0.988 s.',
    },
  ],
  spike: [
    {
      measure: 'loss',
      value: 60,
      cause: { kind: 'spike', figures: { usual: 3.01 } },
      message: 'The loss of run hc-24 jumped to 60 at step 300, usually 3.01.',
    },
    {
      measure: 'gradientNorm',
      value: 1e6,
      cause: { kind: 'spike', figures: { usual: 0.5 } },
      message: 'The gradient norm of run hc-24 jumped to 1000000 at step 300, usually 0.5.',
    },
  ],
};

const factsOf = ({ cause, message: _, ...given }: Case): WarningFacts => ({
  ...FACTS,
  measure: 'compositeGain',
  value: 1,
  ...given,
  cause: { connection: null, ...cause } as Cause,
});

/** The clause as the page cut it out of the sentences before it was made from the cause. */
const cutFrom = (message: string): string =>
  message
    .replace(' of run hc-24', '')
    .replace('Run hc-24 ', 'the run ')
    .replace(/^The /, 'the ')
    .split(/\.(?= [A-Z]|$)/)[0];

describe.each(Object.entries(CASES))('of %s', (_kind, cases) => {
  it.each(cases.map((each) => [each.message, each] as const))('%s', (message, each) => {
    expect(messageOf(factsOf(each))).toBe(message);
    expect(clauseOf(factsOf(each))).toBe(cutFrom(message));
  });
});

it('of a cause that was not recorded are none', () => {
  const facts = { ...factsOf(CASES.stall[0]), cause: null };
  expect(clauseOf(facts)).toBeNull();
  expect(() => messageOf(facts)).toThrow(/without a cause/);
});

it('of growth are a clause of their own, and of no other kind', () => {
  const clauses = Object.values(CASES).flatMap((cases) => cases.map((each) => growthClause(factsOf(each).cause!)));
  expect(clauses.filter((clause) => clause !== null)).toEqual([
    'block3.attention grows most',
    'no connection grows more than the others',
    'a grows most',
    'the learning rate is 1.5 × its recent mean',
  ]);
});
