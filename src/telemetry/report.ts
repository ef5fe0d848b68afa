/**
 * What we make of one watched step: the measures of every connection. Detectors, recorder, metrics and the live
 * stream see only this. Computed by analyse.ts, or read back from a recording.
 */
import type { StepFacts } from './sample.ts';

export interface StepReport extends StepFacts {
  /**
   * G: max over connections of max(forward of the prefix, backward of the suffix), each a mean over the sampled tokens; null: not
   * known, as a stage is missing.
   */
  compositeGain: number | null;
  /** [MEASURES.length, L], in the order of the catalogue; NaN where undefined. */
  measures: Float32Array;
  /** Token mean of H_res, [L, n, n]. */
  mapping: Float32Array;
  /** Count of NaN and ±Inf among the sampled values of each connection, [L]. */
  nonfinite: Float64Array;
  /** Of a step put together from several data-parallel ranks; not recorded. */
  ranks?: RankReport;
  /** Ranks that it was put together of; absent: rank 0 alone. */
  partRanks?: readonly RankRange[];
}

/** Numbers of ranks in a row: the first and the last. */
export type RankRange = readonly [first: number, last: number];

/** What the mean over R data-parallel ranks hides. A rank of several pipeline stages goes by the number of its first. */
export interface RankReport {
  /** Numbers of the ranks, [R]. */
  ranks: number[];
  /** G and loss of each, [R]; NaN where not known. */
  compositeGain: Float64Array;
  loss: Float64Array;
  /** Largest value of each measure and connection over the ranks, [MEASURES.length, L], and the rank that had it (−1: none). */
  largest: Float32Array;
  largestRank: Int32Array;
}

/** How a run ended: by close(), by a signal, by an error of the training, or not known (the process vanished). */
export const OUTCOMES = ['completed', 'interrupted', 'failed', 'unknown'] as const;
export type Outcome = (typeof OUTCOMES)[number];
