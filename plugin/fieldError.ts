/** A value that was asked for and cannot be: the field, the rule it breaks, the value. The server answers it with its status. */
export class FieldError extends RangeError {
  readonly field: string;
  readonly rule: string;
  readonly value: unknown;
  readonly status: number;
  /** @param status of HTTP; 400 unless given */
  constructor(field: string, rule: string, value: unknown, status = 400) {
    super(`${field} ${rule}, got ${value}`);
    this.field = field;
    this.rule = rule;
    this.value = value;
    this.status = status;
  }
}
