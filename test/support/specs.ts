/** Specs of runs of the corpus, made by hand. */
import type { RunSpec } from '../eval/spec.ts';

/** A short run of mHC, two blocks deep, but for what is given. */
export const specOf = (change: Partial<RunSpec> = {}): RunSpec => ({
  name: 'a-run',
  split: 'tuning',
  connection: 'mhc',
  depth: 2,
  width: 16,
  seed: 3,
  steps: 5,
  learningRate: 1e-3,
  warmup: 0,
  clipNorm: null,
  ...change,
});
