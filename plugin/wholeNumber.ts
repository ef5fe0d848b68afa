/** The rule for whole numbers in options, flags and queries; the wording of a refusal is the caller's. */

/** @returns what the value must be, null where it is */
export function wholeNumberRule(value: number, low: number, high = Number.MAX_SAFE_INTEGER): string | null {
  if (Number.isInteger(value) && value >= low && value <= high) return null;
  return `must be a whole number from ${low}${high === Number.MAX_SAFE_INTEGER ? '' : ` to ${high}`}`;
}

/** Number(text), except that an empty text is none. */
export const numberOf = (text: string): number => (text.trim() === '' ? Number.NaN : Number(text));
