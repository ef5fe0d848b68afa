/** Reads the query of a request; a wrong one becomes a BadRequest, which the server answers with 400. */
import type { Request } from 'express';

export class BadRequest extends Error {
  readonly status: number;
  readonly field: string;
  readonly rule: string;
  readonly value: unknown;
  constructor(field: string, rule: string, value: unknown, status = 400) {
    super(`${field} ${rule}`);
    this.status = status;
    this.field = field;
    this.rule = rule;
    this.value = value;
  }
}

/** A whole number in the query, or undefined. */
export function wholeNumber(request: Request, field: string, low: number, high = Number.MAX_SAFE_INTEGER): number | undefined {
  const text = request.query[field];
  if (text === undefined) return undefined;
  const value = typeof text === 'string' && text !== '' ? Number(text) : Number.NaN;
  if (!Number.isInteger(value) || value < low || value > high) {
    const upTo = high === Number.MAX_SAFE_INTEGER ? `from ${low}` : `from ${low} to ${high}`;
    throw new BadRequest(field, `must be a whole number ${upTo}`, text);
  }
  return value;
}

/** A field that may be given several times. */
export function texts(request: Request, field: string): string[] {
  const given = request.query[field];
  const list = given === undefined ? [] : Array.isArray(given) ? given : [given];
  for (const value of list) if (typeof value !== 'string') throw new BadRequest(field, 'must be text', value);
  return list as string[];
}

/** @throws BadRequest on a field that is none of `known`: a misspelt one would silently do nothing */
export function onlyFields(request: Request, known: readonly string[]): void {
  for (const field of Object.keys(request.query)) {
    if (!known.includes(field)) throw new BadRequest(field, `is not known here: ${known.join(', ') || 'no fields'}`, request.query[field]);
  }
}
