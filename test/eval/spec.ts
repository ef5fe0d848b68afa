/** What one run of the corpus is: everything that its training depends on. Types only; the runs themselves are in runs.ts. */
import type { ConnectionName } from '../../src/model/transformer.ts';

/** A factor on the learning rate over the steps, linear between the points, constant before the first and after the last. */
export type Schedule = readonly (readonly [step: number, factor: number])[];

/** From `step` on one connection, numbered from the input, is disturbed. */
export interface Disturbance {
  /** `learning-rate`: its own updates × `size`; `b_res`: normal noise of std `size` on it, once; `sinkhorn`: `size` iterations. */
  kind: 'learning-rate' | 'b_res' | 'sinkhorn';
  connection: number;
  step: number;
  size: number;
}

export interface RunSpec {
  name: string;
  split: 'tuning' | 'held-out';
  connection: ConnectionName;
  /** Blocks; each has two connections. */
  depth: number;
  /** C. */
  width: number;
  seed: number;
  steps: number;
  learningRate: number;
  warmup: number;
  clipNorm: number | null;
  schedule?: Schedule;
  /** Of every mHC connection. */
  iterations?: number;
  /** Sinkhorn rounds every iterate to float16. */
  half?: boolean;
  /** Std of normal noise on b_res of every mHC connection at the start: large logits. */
  logitStd?: number;
  /** From `step` on, for `count` steps, batches of random bytes. */
  poison?: { step: number; count: number };
  disturbance?: Disturbance;
}

/** Of every run of the corpus. */
export const STREAMS = 4;
export const CONTEXT = 16;
export const BATCH = 2;
export const HEADS = 2;
/** Sampled token positions per step. */
export const TOKENS = 16;
