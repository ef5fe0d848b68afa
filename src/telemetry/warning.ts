/** What a warning is, the rules that can raise one, and for what causes. No words and no limits here: alerts/ has them. */

/** Rising: `info` is context, `warning` wants a look today, `critical` wants an act now. */
export const SEVERITIES = ['info', 'warning', 'critical'] as const;
export type Severity = (typeof SEVERITIES)[number];

/**
 * Each rule and the severities it raises. The names are also the `rule` label of the metrics and anchors in the runbook.
 */
export const RULE_SEVERITIES = {
  'gain-forecast': ['warning', 'critical'],
  'runaway-connection': ['warning'],
  collapse: ['warning', 'critical'],
  'deviation-drift': ['warning'],
  'dead-routing': ['warning'],
  nonfinite: ['critical'],
  stalled: ['warning'],
  'loss-spike': ['info'],
  'gradient-spike': ['info'],
} as const satisfies Record<string, readonly Severity[]>;
export type RuleName = keyof typeof RULE_SEVERITIES;
export const RULES = Object.keys(RULE_SEVERITIES) as RuleName[];

/**
 * Why a warning is raised, as data: each kind of cause, and the figures that it has beside the warning's own value, threshold and
 * forecast. All figures are finite. `passedBy`: how far the smoothed value is beyond the threshold, in the logarithm that is
 * forecast; below 0 it has not reached it. `growth`: × its recent mean; `usualGrowth`: that of the median connection.
 */
export const CAUSES = {
  /** The composite gain grows. The connection is the one that grows most; null: none grows more than the others. */
  'gain-growth': ['passedBy'],
  /** The composite gain is expected to follow the learning rate, which is `rateFactor` times its recent mean. */
  'learning-rate': ['rateFactor', 'passedBy'],
  /** A connection's gain, or the range of its logits (the warning's measure says which), grows away from its peers. */
  runaway: ['growth', 'usualGrowth'],
  /** The streams become one. */
  collapse: ['passedBy'],
  /** The streams have been one from the first step: nothing was lost. */
  'collapsed-start': [],
  /** A row or a column (the warning's measure says which) of one H_res has lost its mass. */
  'lost-mass': [],
  /** A deviation grows away from its own past and its peers. */
  'deviation-growth': ['growth', 'usualGrowth'],
  /** A deviation that is high for any connection. */
  'deviation-high': [],
  /** H_res is a permutation and its logits get no gradient, for so many steps. */
  'dead-routing': ['steps'],
  /** So many NaN or infinite values among those sampled of a connection. */
  'nonfinite-values': ['count'],
  /** A scalar of the run (the warning's measure) is NaN or infinite. */
  'nonfinite-scalar': [],
  /** No step since `lastStep`; one used to take `usualSeconds`. */
  stall: ['lastStep', 'usualSeconds'],
  /** The loss or the gradient norm jumped from what it usually is. */
  spike: ['usual'],
} as const satisfies Record<string, readonly string[]>;
export type CauseKind = keyof typeof CAUSES;
export type CauseFigures = { [K in CauseKind]: Record<(typeof CAUSES)[K][number], number> };
/** What a detector knows of a cause. */
export type CauseFacts = { [K in CauseKind]: { kind: K; figures: CauseFigures[K] } }[CauseKind];
/** `connection` drives it, the `layer` of the metrics; null: the run as a whole. */
export type Cause = CauseFacts & { connection: string | null };

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
  /**
   * Meant to hold the true number of steps nine times in ten (test/eval/RESULTS.md says how often it does); null as the upper end:
   * maybe never.
   */
  interval: [low: number, high: number | null] | null;
  /** Why, as data; null: recorded by a version that kept the sentence alone. */
  cause: Cause | null;
  /** A sentence for people, made from the cause when the warning was raised. For people only: no code reads it. */
  message: string;
  /** Where the runbook says what to do: `runbook.md#gain-forecast`. */
  runbook: string;
}

/** A warning and what became of it. */
export interface WarningRecord {
  /** Its number among all of the run, from 0. */
  id: number;
  warning: Warning;
  /** Step at which it ended; null: it holds, or ended without a step. */
  clearedStep: number | null;
  /** Milliseconds since 1970; null: it holds. */
  clearedTime: number | null;
  /** When somebody acknowledged it, milliseconds since 1970; null: nobody has. */
  acknowledgedTime: number | null;
}

/** Of those that hold, or did when the run ended; without mere information. */
export const countActive = (records: Iterable<WarningRecord>): number =>
  [...records].filter(({ clearedTime, warning }) => clearedTime === null && warning.severity !== 'info').length;
