/** Reads the query of a request; a wrong one becomes a FieldError. */
import type { Request } from 'express';
import { FieldError } from '../fieldError.ts';
import { numberOf, wholeNumberRule } from '../wholeNumber.ts';

/** A whole number in the query, or undefined. */
export function wholeNumber(request: Request, field: string, low: number, high?: number): number | undefined {
  const text = request.query[field];
  if (text === undefined) return undefined;
  const value = typeof text === 'string' ? numberOf(text) : Number.NaN;
  const rule = wholeNumberRule(value, low, high);
  if (rule !== null) throw new FieldError(field, rule, text);
  return value;
}

/** A field that may be given several times. */
export function texts(request: Request, field: string): string[] {
  const given = request.query[field];
  const list = given === undefined ? [] : Array.isArray(given) ? given : [given];
  for (const value of list) if (typeof value !== 'string') throw new FieldError(field, 'must be text', value);
  return list as string[];
}

/** @throws FieldError on a field that is none of `known`: a misspelt one would silently do nothing */
export function onlyFields(request: Request, known: readonly string[]): void {
  for (const field of Object.keys(request.query)) {
    if (!known.includes(field)) throw new FieldError(field, `is not known here: ${known.join(', ') || 'no fields'}`, request.query[field]);
  }
}
