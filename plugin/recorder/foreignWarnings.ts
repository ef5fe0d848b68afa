/** Are the warnings of a file of unknown origin as gainwatch writes them? Looks at their text before anything reads them. */
import { RULES, SEVERITIES } from '../../src/telemetry/warning.ts';
import { FieldError } from '../fieldError.ts';
import { type Db, hasWarnings } from './database.ts';

type Check = (value: unknown) => boolean;

const isText: Check = (value) => typeof value === 'string' && value.length <= 200;
/** JSON has 1e999. */
const isNumber: Check = Number.isFinite;
const isWhole =
  (most: number): Check =>
  (value) =>
    Number.isInteger(value) && Number(value) >= 0 && Number(value) <= most;
const orNull =
  (check: Check): Check =>
  (value) =>
    value === null || check(value);
const isOneOf =
  (known: readonly unknown[]): Check =>
  (value) =>
    known.includes(value);

/** Each field with its rule, after "as FIELD of a warning". */
const FIELDS: Record<string, [rule: string, check: Check]> = {
  rule: [`one of ${RULES.join(', ')}`, isOneOf(RULES)],
  severity: [`one of ${SEVERITIES.join(', ')}`, isOneOf(SEVERITIES)],
  step: ['a whole number from 0', isWhole(Number.MAX_SAFE_INTEGER)],
  time: ['a whole number of milliseconds since 1970', isWhole(8.64e15)],
  connection: ['null or a text of at most 200 characters', orNull(isText)],
  suspects: ['an array of texts', (value) => Array.isArray(value) && value.length <= 100 && value.every(isText)],
  measure: ['a text of at most 200 characters', isText],
  value: ['a number, "NaN", "+Inf" or "-Inf"', (value) => typeof value === 'number' || isOneOf(['NaN', '+Inf', '-Inf'])(value)],
  threshold: ['a number', isNumber],
  stepsLeft: ['a number or null', orNull(isNumber)],
  interval: [
    'null or two numbers, of which the second may be null',
    orNull((value) => Array.isArray(value) && value.length === 2 && isNumber(value[0]) && orNull(isNumber)(value[1])),
  ],
  message: ['a text', (value) => typeof value === 'string'],
  runbook: ['a place in runbook.md', (value) => typeof value === 'string' && /^runbook\.md#[\w-]+$/.test(value)],
};

/** @throws FieldError with the rule and the value that breaks it */
export function checkWarnings(db: Db): void {
  if (!hasWarnings(db)) return;
  const rows = db.prepare('SELECT warning FROM warnings ORDER BY id').all() as { warning: string }[];
  for (const { warning: text } of rows) {
    const warning = JSON.parse(text) as unknown;
    if (typeof warning !== 'object' || warning === null) refuse('must hold objects as warnings', warning);
    const fields = new Map(Object.entries(warning));
    for (const [name, [rule, check]] of Object.entries(FIELDS)) {
      const value = fields.get(name);
      if (!check(value)) refuse(`must hold ${rule} as ${name} of a warning`, value);
    }
  }
}

function refuse(rule: string, value: unknown): never {
  throw new FieldError('recording', rule, (JSON.stringify(value) ?? 'nothing').slice(0, 100));
}
