/**
 * The words of every warning, made from its cause: the message, and the reason as a clause. Pure; nothing here decides when to warn,
 * and nobody reads these words but people.
 */
import type { Cause, CauseFigures, CauseKind } from '../src/telemetry/cause.ts';
import type { Warning } from '../src/telemetry/warning.ts';
import { fromWire, type WireNumber } from '../src/telemetry/wire.ts';

/** A warning, or an answer of the HTTP interface, as far as its words need it. */
export type WarningFacts = Pick<Warning, 'run' | 'severity' | 'step' | 'measure' | 'threshold' | 'stepsLeft' | 'interval' | 'cause'> & {
  value: WireNumber;
};

/** What the words of one kind are given. */
interface Given<F> {
  facts: Omit<WarningFacts, 'value'> & { value: number };
  figures: F;
  /** Of the connection. */
  name: string | null;
  /** "The" and " of run NAME", "Run NAME" in a message; "the", "", "the run" in a clause. */
  the: string;
  of: string;
  run: string;
}

/** The reason, and what to do where that is short enough to be said at once. */
type Words = [clause: string, advice?: string];

const WORDS: { readonly [K in CauseKind]: (given: Given<CauseFigures[K]>) => Words } = {
  'gain-growth': (given) => [gainClause(given)],
  'learning-rate': (given) => [gainClause(given)],
  runaway: ({ facts: { measure }, figures, name, of }) => [
    `${name}${of} runs away from the others: its ${measure === 'logitRange' ? 'range of the logits' : 'gain'} is ${growthOf(figures)}`,
    'Look at its learning rate and its logits.',
  ],
  collapse: ({ facts, figures: { passedBy }, the, of }) => {
    const { value, threshold } = facts;
    const when = passedBy >= 0 ? `is below ${threshold}` : `may fall below ${threshold} ${stepsClause(facts)}`;
    return [`${the} streams${of} collapse into one: their separation is ${digits(value)} and ${when}`];
  },
  'collapsed-start': ({ facts: { value, threshold }, the, of }) => [
    `${the} streams${of} have been one from the start: their separation is ${digits(value)} and has never been above ${threshold}`,
  ],
  'lost-mass': ({ facts: { measure, value }, name, of }) => [
    `${name}${of} loses a stream: its smallest ${measure === 'rowSumMin' ? 'row' : 'column'} sum is ${digits(value)} instead of 1`,
  ],
  'deviation-growth': (given) => driftWords(given, growthOf(given.figures)),
  'deviation-high': (given) => driftWords(given, 'high for any connection'),
  'dead-routing': ({ facts: { value }, figures: { steps }, name, of }) => [
    `${name}${of} has routed hard for ${steps} steps (entropy ${digits(100 * value)} % of its maximum) and its logits get no gradient: ` +
      'it will not change any more',
  ],
  'nonfinite-values': ({ facts, figures: { count }, name, of }) => [
    `${name}${of} holds ${count} NaN or infinite values ${goBackClause(facts)}`,
  ],
  'nonfinite-scalar': ({ facts, the, of }) => [`${the} ${scalarOf(facts)}${of} is ${facts.value} ${goBackClause(facts)}`],
  stall: ({ facts: { value }, figures: { lastStep, usualSeconds }, run }) => [
    `${run} has made no step since step ${lastStep}, ${digits(value)} s ago; it used to take ${digits(usualSeconds)} s`,
  ],
  spike: ({ facts, figures: { usual }, the, of }) => [
    `${the} ${scalarOf(facts)}${of} jumped to ${digits(facts.value)} at step ${facts.step}, usually ${digits(usual)}`,
  ],
};

/** The sentences for people; the warning must have a cause. @throws TypeError where it has none */
export function messageOf(facts: WarningFacts): string {
  if (facts.cause === null) throw new TypeError('messageOf: a warning without a cause has no words but its stored message');
  const { run } = facts;
  const [clause, advice] = wordsOf(facts, facts.cause, { the: 'The', of: ` of run ${run}`, run: `Run ${run}` });
  return advice === undefined ? `${clause}.` : `${clause}. ${advice}`;
}

/** The reason within a sentence: without the run's name, without a full stop; null: recorded without a cause, show its message. */
export const clauseOf = (facts: WarningFacts): string | null =>
  facts.cause === null ? null : wordsOf(facts, facts.cause, { the: 'the', of: '', run: 'the run' })[0];

/** Why a gain grows, as a clause; null: the cause is of another kind. */
export function growthClause(cause: Cause): string | null {
  if (cause.kind === 'learning-rate') return `the learning rate is ${digits(cause.figures.rateFactor)} × its recent mean`;
  if (cause.kind !== 'gain-growth') return null;
  return cause.connection === null ? 'no connection grows more than the others' : `${cause.connection} grows most`;
}

function wordsOf<K extends CauseKind>(
  facts: WarningFacts,
  cause: Extract<Cause, { kind: K }>,
  names: { the: string; of: string; run: string },
): Words {
  const words = WORDS[cause.kind] as (given: Given<CauseFigures[CauseKind]>) => Words;
  return words({ facts: { ...facts, value: fromWire(facts.value) }, figures: cause.figures, name: cause.connection, ...names });
}

type GrowthKind = 'gain-growth' | 'learning-rate';

function gainClause({ facts, figures: { passedBy }, the, of }: Given<CauseFigures[GrowthKind]>): string {
  const { severity, threshold, value, cause } = facts;
  const verb = severity === 'critical' ? 'is forecast to reach' : 'may reach';
  const when = passedBy >= 0 ? `has reached ${threshold}` : `${verb} ${threshold} ${stepsClause(facts)}`;
  return `${the} composite gain${of} is ${digits(value)} and ${when}; ${cause === null ? '' : growthClause(cause)}`;
}

const driftWords = ({ facts: { value }, name, of }: Given<unknown>, how: string): Words => [
  `${name}${of} drifts off the doubly stochastic matrices: deviation ${digits(value)}, ${how}`,
  'Look at its logits and the number of Sinkhorn iterations.',
];

const growthOf = ({ growth, usualGrowth }: CauseFigures['runaway']): string =>
  `${digits(growth)} × its recent mean, the median connection's ${digits(usualGrowth)} ×`;

const goBackClause = ({ step }: Pick<Warning, 'step'>): string => `at step ${step}: stop, and go back to a checkpoint before it`;

const SCALARS: Record<string, string> = { compositeGain: 'composite gain', loss: 'loss', gradientNorm: 'gradient norm' };
const scalarOf = ({ measure }: Pick<Warning, 'measure'>): string => SCALARS[measure] ?? measure;

/** "in about 120 steps (90 to 180)". */
function stepsClause({ stepsLeft, interval }: Pick<Warning, 'stepsLeft' | 'interval'>): string {
  if (stepsLeft === null || interval === null) return 'at a time that cannot be told yet';
  const [low, high] = interval;
  return `in about ${stepsLeft} steps (${high === null ? `${low} or more` : `${low} to ${high}`})`;
}

/** Three significant digits. */
const digits = (value: number): string => (Number.isFinite(value) ? String(Number(value.toPrecision(3))) : String(value));
