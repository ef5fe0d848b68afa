/** Numbers in JSON: NaN and ±Inf travel as the strings "NaN", "+Inf", "-Inf". Nothing else of the protocol. */

export type WireNumber = number | 'NaN' | '+Inf' | '-Inf';

/** As JSON can hold it. */
export function toWire(value: number): WireNumber {
  if (Number.isFinite(value)) return value;
  if (Number.isNaN(value)) return 'NaN';
  return value > 0 ? '+Inf' : '-Inf';
}

/** The same of a number that may not be known. */
export const toWireOrNull = (value: number | null | undefined): WireNumber | null => (value == null ? null : toWire(value));

const POWERS = Array.from({ length: 23 }, (_, k) => Number(`1e${k}`));

/** The same in so many significant digits. */
function rounded(value: number, digits: number): WireNumber {
  const size = Math.abs(value);
  if (!(size > 0 && size < Number.POSITIVE_INFINITY)) return toWire(value);
  const decimals = digits - 1 - Math.floor(Math.log10(size));
  // A whole number divided by an exact power of ten is the double next to the decimal, so it prints as that.
  if (decimals >= 0 && decimals < POWERS.length) return Math.round(value * POWERS[decimals]) / POWERS[decimals];
  return Number(value.toPrecision(digits));
}

/** In the 8 digits that a float32 has, rather than the 17 of the double that it becomes. */
export const toFloatWire = (value: number): WireNumber => rounded(value, 8);

/**
 * In 6 digits, for what is drawn: less than half as long. Within a thousandth of 1, where a gain is looked at by its distance
 * from it, in 8.
 */
export const toShortWire = (value: number): WireNumber => rounded(value, Math.abs(Math.abs(value) - 1) < 1e-3 ? 8 : 6);

/** A number that others sent: they may write the infinities as their language does. */
export type SentNumber = WireNumber | 'Infinity' | '-Infinity';

/** The number again; null, which is not known, becomes NaN. */
export function fromWire(value: SentNumber | null): number {
  if (typeof value === 'number') return value;
  return Number(value === null ? Number.NaN : value.replace(/Inf$/, 'Infinity'));
}
