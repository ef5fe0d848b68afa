/**
 * What a sender found of its connections when it began to watch them, before the first step. Types only; plugin/openapi.yaml has the
 * bounds.
 */
import type { SentNumber } from './wire.ts';

/** How H_res begins: it mixes all streams alike, leaves them as they are, or neither. */
export const MIXINGS = ['even', 'near identity', 'mixed'] as const;

/** Of one connection; null: not known. */
export interface SelfTestEntry {
  connection: string;
  /** Of its parameters. */
  dtype: string | null;
  /** Of H_res at the start. */
  forward_gain: SentNumber | null;
  row_deviation: SentNumber | null;
  column_deviation: SentNumber | null;
  /** ‖∂H/∂logits‖; 0: it can never learn. */
  sensitivity: SentNumber | null;
  mixing: (typeof MIXINGS)[number] | null;
  /** H: the matrix that the module stores is applied as it is; comb: transposed. */
  orientation: 'H' | 'comb' | null;
  /** What is wrong, in words; none: nothing. */
  findings: string[];
}
