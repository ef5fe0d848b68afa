/** Checks of values of unknown origin. */

/** The last millisecond that a Date can be. */
export const MAX_TIME_MS = 8.64e15;

export type Check = (value: unknown) => boolean;

/** Is it a JSON object, not an array? */
export const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null && !Array.isArray(value);

/** A name or a key: at most 200 characters. */
export const isText: Check = (value) => typeof value === 'string' && value.length <= 200;

/** A whole number from low to high. */
export function isWhole(low: number, high: number): Check {
  return (value) => Number.isInteger(value) && Number(value) >= low && Number(value) <= high;
}

/** One of these values. */
export function isOneOf(known: readonly unknown[]): Check {
  return (value) => known.includes(value);
}

/** null, or what the check wants. */
export function orNull(check: Check): Check {
  return (value) => value === null || check(value);
}
