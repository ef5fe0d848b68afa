/** Is the self-test of a file of unknown origin as gainwatch writes it? */
import { MIXINGS } from '../../src/telemetry/selfTest.ts';
import { FieldError } from '../fieldError.ts';
import { type Check, isObject, isOneOf, isText, orNull } from './checks.ts';

const isNumber: Check = (value) => Number.isFinite(value) || isOneOf(['NaN', '+Inf', '-Inf', 'Infinity', '-Infinity'])(value);

const FIELDS: Record<string, Check> = {
  connection: isText,
  dtype: orNull(isText),
  forward_gain: orNull(isNumber),
  row_deviation: orNull(isNumber),
  column_deviation: orNull(isNumber),
  sensitivity: orNull(isNumber),
  mixing: orNull(isOneOf(MIXINGS)),
  orientation: isOneOf(['H', 'comb', null]),
  findings: (value) => Array.isArray(value) && value.length <= 8 && value.every((text) => typeof text === 'string' && text.length <= 300),
};

/** @param text of its column @throws FieldError with the rule, SyntaxError where it is no JSON */
export function validateSelfTest(text: string): void {
  const entries: unknown = JSON.parse(text);
  const isEntry = (entry: unknown): boolean =>
    isObject(entry) &&
    Object.keys(entry).every((name) => Object.hasOwn(FIELDS, name)) &&
    Object.entries(FIELDS).every(([name, check]) => check((entry as Record<string, unknown>)[name]));
  if (Array.isArray(entries) && entries.every(isEntry)) return;
  throw new FieldError('recording', 'must hold a list of what was found of each connection as self_test in attempts', text.slice(0, 100));
}
