/** Reads the query of a request; a wrong one becomes a FieldError. */
import type { NextFunction, Request } from 'express';
import { FieldError } from '../fieldError.ts';
import type { SeriesQuery } from '../recorder/recordedSeries.ts';
import { numberOf, wholeNumberRule } from '../wholeNumber.ts';

/** A whole number in the query, or undefined. @throws FieldError where it is none from low to high */
function wholeNumber(request: Request, field: string, low: number, high?: number): number | undefined {
  const text = request.query[field];
  if (text === undefined) return undefined;
  const value = typeof text === 'string' ? numberOf(text) : Number.NaN;
  const rule = wholeNumberRule(value, low, high);
  if (rule !== null) throw new FieldError(field, rule, text);
  return value;
}

/** The values of a field that may be given several times; none where it is not. @throws FieldError where one is no text */
export function texts(request: Request, field: string): string[] {
  const given = request.query[field];
  const list = given === undefined ? [] : Array.isArray(given) ? given : [given];
  for (const value of list) if (typeof value !== 'string') throw new FieldError(field, 'must be text', value);
  return list as string[];
}

/** A handler that refuses a field that is none of `known`: a misspelt one would silently do nothing. */
export const onlyFields =
  (...known: readonly string[]) =>
  ({ query }: Pick<Request, 'query'>, _response: unknown, next: NextFunction): void => {
    const field = Object.keys(query).find((name) => !known.includes(name));
    if (field === undefined) next();
    else throw new FieldError(field, `is not known here: ${known.join(', ') || 'no fields'}`, query[field]);
  };

/** What a request for a series may ask for. */
export const SERIES_FIELDS = ['measure', 'connection', 'from', 'to', 'points', 'attempt'] as const;

/** Points that one answer may have: about 1 MB of a run of 20 connections. Our choice. */
const MAX_POINTS = 10_000;

/** Which series is asked for. @throws FieldError naming the field, the rule and the value */
export function seriesQueryOf(request: Request): SeriesQuery {
  const [measure, ...more] = texts(request, 'measure');
  if (measure === undefined || more.length > 0) throw new FieldError('measure', 'must be given once', request.query['measure'] ?? null);
  const connections = texts(request, 'connection');
  const from = wholeNumber(request, 'from', 0);
  const to = wholeNumber(request, 'to', 0);
  if (from !== undefined && to !== undefined && from > to) throw new FieldError('from', `must not be above to (${to})`, from);
  return {
    measure,
    connections: connections.length > 0 ? connections : undefined,
    from,
    to,
    points: wholeNumber(request, 'points', 1, MAX_POINTS),
    attempt: wholeNumber(request, 'attempt', 1),
  };
}
