/** A reason as the page shows it: words around the connection's name, which is a button there. Pure. */
import { clauseOf, growthClause } from '../../alerts/messages.ts';
import type { WarningAnswer } from '../../src/telemetry/api.ts';

/** Without a full stop. */
export interface Clause {
  before: string;
  connection: string | null;
  after: string;
}

/** Stands for the connection while the words around it are made. Names hold no such sign. */
const NAME = '\0';

/** Words that name no connection. */
export const plainClause = (text: string): Clause => ({ before: text, connection: null, after: '' });

/** A connection that the words do not name follows them. */
function clauseAround(words: string, connection: string | null): Clause {
  if (connection === null) return plainClause(words);
  const [before, ...after] = words.split(NAME);
  return after.length === 0 ? { before: `${before}; `, connection, after: '' } : { before, connection, after: after.join(connection) };
}

/** The words get the warning with `NAME` for its connection; what was recorded without a cause is shown by its message, as it is. */
export function clauseFor(warning: WarningAnswer, words: (warning: WarningAnswer) => string): Clause {
  const { cause, connection, message } = warning;
  if (cause == null) return { before: connection === null ? message : `${message} `, connection, after: '' };
  return clauseAround(words({ ...warning, cause: { ...cause, connection: cause.connection === null ? null : NAME } }), connection);
}

/** The reason as it was when the warning was raised. */
export const raisedWords = (warning: WarningAnswer): string => clauseOf(warning) ?? warning.message;

/** "; block0.mlp grows most"; "" where the cause is of another kind. */
export function growthWords({ cause }: WarningAnswer): string {
  const growth = cause == null ? null : growthClause(cause);
  return growth === null ? '' : `; ${growth}`;
}
