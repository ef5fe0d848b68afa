/** Numbers in JSON: NaN and ±Inf travel as the strings "NaN", "+Inf", "-Inf". Nothing else of the protocol. */

export type WireNumber = number | 'NaN' | '+Inf' | '-Inf';

export function toWire(value: number): WireNumber {
  if (Number.isFinite(value)) return value;
  if (Number.isNaN(value)) return 'NaN';
  return value > 0 ? '+Inf' : '-Inf';
}

export function fromWire(value: WireNumber): number {
  if (typeof value === 'number') return value;
  if (value === 'NaN') return Number.NaN;
  return value === '+Inf' ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
}
