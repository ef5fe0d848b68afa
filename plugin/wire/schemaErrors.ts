/** The errors of ajv for a value that breaks openapi.yaml → the one field and rule that a refusal names. */
import type { ErrorObject } from 'ajv/dist/2020.js';
import { FieldError, short, shown } from '../fieldError.ts';

/** The first thing that is wrong, the deepest of those in alternatives. @param errors of a check with ajv's option `verbose` */
export function toFieldError(errors: readonly ErrorObject[]): FieldError {
  const [first] = [...errors].sort((a, b) => depth(b) - depth(a));
  if (first === undefined) return new FieldError('body', 'does not follow openapi.yaml', null);
  const path = first.instancePath.slice(1).replaceAll('/', '.');
  const { missingProperty, unevaluatedProperty, additionalProperty, allowedValue, allowedValues } = first.params as Record<string, unknown>;
  const property = missingProperty ?? unevaluatedProperty ?? additionalProperty;
  const field = [path, property].filter((part) => part !== undefined && part !== '').join('.');
  const rule =
    missingProperty !== undefined
      ? 'must be given'
      : property !== undefined
        ? 'is not known here'
        : Array.isArray(allowedValues)
          ? `must be one of ${allowedValues.map(String).join(', ')}`
          : allowedValue !== undefined
            ? `must be ${String(allowedValue)}`
            : alternatives(first.instancePath, errors) || (first.message ?? 'does not follow openapi.yaml');
  const data = property === undefined ? first.data : (first.data as Record<string, unknown>)[String(property)];
  return new FieldError(short(field === '' ? 'body' : field), rule, shown(data));
}

/** Of a value that fits none of several types: all of them. Empty where there is one. */
function alternatives(path: string, errors: readonly ErrorObject[]): string {
  const of = errors.filter((error) => error.instancePath === path);
  const types = of.filter(({ keyword }) => keyword === 'type').map(({ params }) => String(params['type']));
  const words = of.flatMap(({ params }) => (params['allowedValues'] as unknown[] | undefined) ?? []).map(String);
  const all = [...new Set([...types, ...words])];
  return all.length > 1 ? `must be one of ${all.join(', ')}` : '';
}

const depth = ({ instancePath, keyword }: ErrorObject): number => instancePath.split('/').length - (/Of$|if/.test(keyword) ? 0.5 : 0);
