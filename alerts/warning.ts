/** What a warning is, and the rules that can raise one. Nothing here decides when (the detectors do). */

/** `info` is context, `warning` wants a look today, `critical` wants an act now. */
export const SEVERITIES = ['info', 'warning', 'critical'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** Also the `rule` label of the metrics and the anchor in the runbook. */
export const RULES = [
  'gain-forecast',
  'runaway-connection',
  'collapse',
  'deviation-drift',
  'dead-routing',
  'nonfinite',
  'stalled',
  'loss-spike',
  'gradient-spike',
] as const;
export type RuleName = (typeof RULES)[number];

export interface Warning {
  run: string;
  rule: RuleName;
  severity: Severity;
  /** Training step at which it was raised. */
  step: number;
  /** Milliseconds since 1970, of that step. */
  time: number;
  /** The connection that drives it, the `layer` of the metrics; null: the run as a whole. */
  connection: string | null;
  /** Connections that may drive it, the likeliest first, at most three; empty for the run as a whole. */
  suspects: string[];
  /** What was looked at: a measure of the catalogue, `compositeGain`, `loss`, `gradientNorm` or `time`. */
  measure: string;
  value: number;
  threshold: number;
  /** Steps until the threshold is reached; null where nothing is forecast. */
  stepsLeft: number | null;
  /** Holds the true number of steps nine times in ten; null as the upper end: maybe never. */
  interval: [low: number, high: number | null] | null;
  /** A sentence for people. */
  message: string;
  /** Where the runbook says what to do: `runbook.md#gain-forecast`. */
  runbook: string;
}
