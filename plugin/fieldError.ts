/** A value that was asked for and cannot be: the field, the rule it breaks, the value. The server answers it with its status. */
export class FieldError extends RangeError {
  readonly field: string;
  readonly rule: string;
  readonly value: unknown;
  readonly status: number;
  /** A name that could be taken in its place. */
  readonly free: string | undefined;
  /** @param status of HTTP; 400 unless given */
  constructor(field: string, rule: string, value: unknown, status = 400, free?: string) {
    super(`${field} ${rule}, got ${value}`);
    this.field = short(field);
    this.rule = rule;
    this.value = value;
    this.status = status;
    this.free = free;
  }
}

const LONGEST = 200;
/** Of a text that somebody sent, what an answer repeats. */
export const short = (text: string): string => (text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text);

/** As an answer may repeat it: no book in a refusal. */
export function shown(value: unknown): unknown {
  if (value === undefined) return null;
  if (typeof value === 'string') return short(value);
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value); // JSON has none
  if (typeof value !== 'object' || value === null) return value;
  return Array.isArray(value) ? `a list of ${value.length}` : 'an object';
}
