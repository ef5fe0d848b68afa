/**
 * Why a warning was raised, as data: every sentence about it (message, verdict, notice, page) is made from this by alerts/messages.ts.
 * Types only; no words here, and nothing decides when (the detectors do).
 */

/** What each kind of cause tells beside the warning's own value, threshold and forecast. All figures are finite. */
export interface CauseFigures {
  /**
   * The composite gain grows. The connection is the one that grows most; null: none grows more than the others. `passedBy`, here and below:
   * how far the smoothed value is beyond the threshold, in the logarithm that is forecast; below 0 it has not reached it.
   */
  'gain-growth': { passedBy: number };
  /** The composite gain is expected to follow the learning rate, which is `rateFactor` times its recent mean. */
  'learning-rate': { rateFactor: number; passedBy: number };
  /** A connection's gain, or the range of its logits (the warning's measure says which), grows away from its peers: × its recent mean. */
  runaway: { growth: number; usualGrowth: number };
  /** The streams become one. */
  collapse: { passedBy: number };
  /** The streams have been one from the first step: nothing was lost. */
  'collapsed-start': Record<string, never>;
  /** A row or a column (the warning's measure says which) of one H_res has lost its mass. */
  'lost-mass': Record<string, never>;
  /** A deviation grows away from its own past and its peers: × its recent mean. */
  'deviation-growth': { growth: number; usualGrowth: number };
  /** A deviation that is high for any connection. */
  'deviation-high': Record<string, never>;
  /** H_res is a permutation and its logits get no gradient, for so many steps. */
  'dead-routing': { steps: number };
  /** So many NaN or infinite values among those sampled of a connection. */
  'nonfinite-values': { count: number };
  /** A scalar of the run (the warning's measure) is NaN or infinite. */
  'nonfinite-scalar': Record<string, never>;
  /** No step since `lastStep`; one used to take `usualSeconds`. */
  stall: { lastStep: number; usualSeconds: number };
  /** The loss or the gradient norm jumped from what it usually is. */
  spike: { usual: number };
}
export type CauseKind = keyof CauseFigures;

/** What a detector knows of a cause. */
export type CauseFacts = { [K in CauseKind]: { kind: K; figures: CauseFigures[K] } }[CauseKind];

/** `connection` drives it, the `layer` of the metrics; null: the run as a whole. */
export type Cause = CauseFacts & { connection: string | null };
