/** Are the warnings of a file of unknown origin, and their causes, as gainwatch writes them? Looks at them before anything reads them. */
import { CAUSES, type CauseKind, RULES, SEVERITIES } from '../../src/telemetry/warning.ts';
import { FieldError } from '../fieldError.ts';
import { type Db, hasWarnings } from '../recorder/database.ts';
import { type Check, isObject, isOneOf, isText, isWhole, MAX_TIME_MS, orNull } from './checks.ts';

/** JSON has 1e999. */
const isNumber: Check = Number.isFinite;

/** By field: its rule in words, after "as FIELD of a warning", and as a check. */
type Fields = Record<string, [rule: string, check: Check]>;

const WARNING: Fields = {
  rule: [`one of ${RULES.join(', ')}`, isOneOf(RULES)],
  severity: [`one of ${SEVERITIES.join(', ')}`, isOneOf(SEVERITIES)],
  step: ['a whole number from 0', isWhole(0, Number.MAX_SAFE_INTEGER)],
  time: ['a whole number of milliseconds since 1970', isWhole(0, MAX_TIME_MS)],
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

const KINDS = Object.keys(CAUSES) as CauseKind[];

/** A cause has all figures of its kind, and no others. */
function causeOf(kind: CauseKind): Fields {
  const names: readonly string[] = CAUSES[kind];
  const areFigures: Check = (value) =>
    isObject(value) &&
    Object.keys(value).length === names.length &&
    Object.entries(value).every(([name, figure]) => names.includes(name) && isNumber(figure));
  return {
    kind: [`one of ${KINDS.join(', ')}`, isOneOf(KINDS)],
    connection: WARNING['connection'],
    figures: [`an object of finite numbers (${names.join(', ') || 'none'})`, areFigures],
  };
}

/** Checks every warning and its cause. @throws FieldError with the rule and the value that breaks it */
export function validateWarnings(db: Db): void {
  if (!hasWarnings(db)) return;
  const rows = db.prepare('SELECT * FROM warnings ORDER BY id').all() as { warning: string; cause?: unknown }[];
  for (const { warning: text, cause = null } of rows) {
    const warning = JSON.parse(text) as unknown;
    if (!isObject(warning)) refuse('must hold objects as warnings', warning);
    checkFields(warning, WARNING, 'a warning');
    if (cause !== null) checkCause(cause);
  }
}

function checkCause(text: unknown): void {
  const cause = typeof text === 'string' ? parse(text) : undefined;
  if (!isObject(cause)) refuse('must hold a JSON object or NULL as cause of a warning', String(text));
  const { kind = null } = cause as { kind?: unknown };
  const fields = causeOf(KINDS.find((one) => one === kind) ?? KINDS[0]);
  checkFields(cause, fields, 'the cause of a warning');
  const extra = Object.keys(cause).find((name) => !Object.hasOwn(fields, name));
  if (extra !== undefined) refuse('must hold kind, connection and figures, nothing else, in the cause of a warning', extra);
}

function checkFields(object: object, fields: Fields, of: string): void {
  const values = new Map(Object.entries(object));
  for (const [name, [rule, check]] of Object.entries(fields)) {
    const value = values.get(name);
    if (!check(value)) refuse(`must hold ${rule} as ${name} of ${of}`, value);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function refuse(rule: string, value: unknown): never {
  throw new FieldError('recording', rule, (JSON.stringify(value) ?? 'nothing').slice(0, 100));
}
