/** The words of a warning of each kind, to the letter: the only test that knows them. */
import { describe, expect, it } from 'vitest';
import { clauseOf, growthClause, messageOf } from '../../alerts/messages.ts';
import type { WarningFacts } from '../../alerts/words.ts';
import { CAUSES, type Cause } from '../../src/telemetry/warning.ts';

type Given = Partial<Omit<WarningFacts, 'cause'>>;
const FACTS: Required<Given> = {
  run: 'hc-24',
  severity: 'warning',
  step: 300,
  measure: 'compositeGain',
  value: 1,
  threshold: 100,
  stepsLeft: null,
  interval: null,
};
const GAIN: Given = { value: 41.234, stepsLeft: 120, interval: [90, 181] };
const SEPARATION: Given = { measure: 'separation', value: 0.1234, threshold: 0.05, stepsLeft: 88, interval: [40, null] };
const growth = { growth: 1.876, usualGrowth: 1.02 };
const name = 'block1.mlp';
const none = null;

const CASES: (Given & { cause: Cause })[] = [
  { cause: { kind: 'gain-growth', connection: name, figures: { passedBy: -0.9 } }, ...GAIN },
  { cause: { kind: 'gain-growth', connection: none, figures: { passedBy: -0.9 } }, ...GAIN, severity: 'critical', interval: [90, null] },
  { cause: { kind: 'gain-growth', connection: name, figures: { passedBy: 0 } }, value: '+Inf', stepsLeft: 0, interval: [0, 0] },
  { cause: { kind: 'learning-rate', connection: name, figures: { rateFactor: 1.5, passedBy: -0.1 } }, ...GAIN, stepsLeft: null },
  { cause: { kind: 'runaway', connection: name, figures: growth }, measure: 'forwardGain', value: 1.876 },
  { cause: { kind: 'runaway', connection: name, figures: growth }, measure: 'logitRange', value: 1.876 },
  { cause: { kind: 'collapse', connection: name, figures: { passedBy: -0.3 } }, ...SEPARATION },
  { cause: { kind: 'collapse', connection: name, figures: { passedBy: 0.2 } }, ...SEPARATION, value: 0.04 },
  { cause: { kind: 'collapsed-start', connection: name, figures: {} }, ...SEPARATION, value: 0.00123 },
  { cause: { kind: 'lost-mass', connection: name, figures: {} }, measure: 'columnSumMin', value: 0.1 },
  { cause: { kind: 'lost-mass', connection: name, figures: {} }, measure: 'rowSumMin', value: 0.1 },
  { cause: { kind: 'deviation-growth', connection: name, figures: growth }, measure: 'columnDeviation', value: 0.06789 },
  { cause: { kind: 'deviation-high', connection: name, figures: {} }, measure: 'rowDeviation', value: 0.6 },
  { cause: { kind: 'dead-routing', connection: name, figures: { steps: 200 } }, measure: 'routingEntropy', value: 0.001 },
  { cause: { kind: 'nonfinite-values', connection: name, figures: { count: 3 } }, measure: 'nonfinite', value: 3 },
  { cause: { kind: 'nonfinite-scalar', connection: none, figures: {} }, value: '+Inf' },
  { cause: { kind: 'nonfinite-scalar', connection: none, figures: {} }, measure: 'loss', value: 'NaN' },
  { cause: { kind: 'nonfinite-scalar', connection: none, figures: {} }, measure: 'gradientNorm', value: Number.NEGATIVE_INFINITY },
  { cause: { kind: 'stall', connection: none, figures: { lastStep: 300, usualSeconds: 0.98765 } }, measure: 'time', value: 61.4 },
  { cause: { kind: 'spike', connection: none, figures: { usual: 3.01 } }, measure: 'loss', value: 60 },
  { cause: { kind: 'spike', connection: none, figures: { usual: 0.5 } }, measure: 'gradientNorm', value: 1e6 },
];

const MESSAGES = `
The composite gain of run hc-24 is 41.2 and may reach 100 in about 120 steps (90 to 181); block1.mlp grows most.
The composite gain of run hc-24 is 41.2 and is forecast to reach 100 in about 120 steps (90 or more); no connection grows more than the others.
The composite gain of run hc-24 is Infinity and has reached 100; block1.mlp grows most.
The composite gain of run hc-24 is 41.2 and may reach 100 at a time that cannot be told yet; the learning rate is 1.5 × its recent mean.
block1.mlp of run hc-24 runs away from the others: its gain is 1.88 × its recent mean, the median connection's 1.02 ×. Look at its learning rate and its logits.
block1.mlp of run hc-24 runs away from the others: its range of the logits is 1.88 × its recent mean, the median connection's 1.02 ×. Look at its learning rate and its logits.
The streams of run hc-24 collapse into one: their separation is 0.123 and may fall below 0.05 in about 88 steps (40 or more).
The streams of run hc-24 collapse into one: their separation is 0.04 and is below 0.05.
The streams of run hc-24 have been one from the start: their separation is 0.00123 and has never been above 0.05.
block1.mlp of run hc-24 loses a stream: its smallest column sum is 0.1 instead of 1.
block1.mlp of run hc-24 loses a stream: its smallest row sum is 0.1 instead of 1.
block1.mlp of run hc-24 drifts off the doubly stochastic matrices: deviation 0.0679, 1.88 × its recent mean, the median connection's 1.02 ×. Look at its logits and the number of Sinkhorn iterations.
block1.mlp of run hc-24 drifts off the doubly stochastic matrices: deviation 0.6, high for any connection. Look at its logits and the number of Sinkhorn iterations.
block1.mlp of run hc-24 has routed hard for 200 steps (entropy 0.1 % of its maximum) and its logits get no gradient: it will not change any more.
block1.mlp of run hc-24 holds 3 NaN or infinite values at step 300: stop, and go back to a checkpoint before it.
The composite gain of run hc-24 is Infinity at step 300: stop, and go back to a checkpoint before it.
The loss of run hc-24 is NaN at step 300: stop, and go back to a checkpoint before it.
The gradient norm of run hc-24 is -Infinity at step 300: stop, and go back to a checkpoint before it.
Run hc-24 has made no step since step 300, 61.4 s ago; it used to take 0.988 s.
The loss of run hc-24 jumped to 60 at step 300, usually 3.01.
The gradient norm of run hc-24 jumped to 1000000 at step 300, usually 0.5.
`;

/** The clause as the page cut it out of the sentences before it was made from the cause. */
const cutFrom = (message: string): string =>
  message
    .replace(' of run hc-24', '')
    .replace('Run hc-24 ', 'the run ')
    .replace(/^The /, 'the ')
    .split(/\.(?= [A-Z]|$)/)[0];

describe('words', () => {
  const messages = MESSAGES.trim().split('\n');

  it('are there for each kind of cause', () => {
    expect(new Set(CASES.map(({ cause }) => cause.kind))).toEqual(new Set(Object.keys(CAUSES)));
    expect(messages).toHaveLength(CASES.length);
  });

  it.each(messages.map((message, i) => ({ message, facts: { ...FACTS, ...CASES[i] } })))('$message', ({ message, facts }) => {
    expect(messageOf(facts)).toBe(message);
    expect(clauseOf(facts)).toBe(cutFrom(message));
  });

  it('are none where no cause was recorded, or one of a later version', () => {
    for (const cause of [null, { kind: 'later', connection: null, figures: {} } as unknown as Cause]) {
      expect(clauseOf({ ...FACTS, cause })).toBeNull();
      expect(() => messageOf({ ...FACTS, cause })).toThrow(/without a cause/);
    }
  });

  it('of growth are a clause of their own, and of no other kind', () => {
    expect(CASES.flatMap(({ cause }) => growthClause(cause) ?? [])).toEqual([
      'block1.mlp grows most',
      'no connection grows more than the others',
      'block1.mlp grows most',
      'the learning rate is 1.5 × its recent mean',
    ]);
  });
});
