/**
 * The message of a warning, and its reason as a clause, made from its cause in the words of its rule (detectors/). Pure; nobody
 * reads them but people: who needs a fact takes it from the warning and its cause.
 */
import type { CauseFigures, CauseKind } from '../src/telemetry/warning.ts';
import { fromWire } from '../src/telemetry/wire.ts';
import { WORDS } from './detectors/list.ts';
import type { Given, WarningFacts, Words } from './words.ts';

export { growthClause } from './detectors/gain.ts';

type Names = Pick<Given<unknown>, 'the' | 'of' | 'run'>;

/** @returns null where there is no cause, or one of a later version */
function wordsOf(facts: WarningFacts, names: Names): Words | null {
  const { cause } = facts;
  if (cause === null || !Object.hasOwn(WORDS, cause.kind)) return null;
  const { kind, connection: name, figures } = cause;
  const words = WORDS[kind] as (given: Given<CauseFigures[CauseKind]>) => Words;
  return words({ facts: { ...facts, value: fromWire(facts.value) }, figures, name, ...names });
}

/** The sentences for people. @throws TypeError where the warning has no cause: it has no words but its stored message */
export function messageOf(facts: WarningFacts): string {
  const { run } = facts;
  const words = wordsOf(facts, { the: 'The', of: ` of run ${run}`, run: `Run ${run}` });
  if (words === null) throw new TypeError('messageOf: a warning without a cause has no words but its stored message');
  const [clause, advice] = words;
  return advice === undefined ? `${clause}.` : `${clause}. ${advice}`;
}

/** The reason within a sentence, without the run's name and a full stop; null: no cause that we know, show the stored message. */
export const clauseOf = (facts: WarningFacts): string | null => wordsOf(facts, { the: 'the', of: '', run: 'the run' })?.[0] ?? null;
