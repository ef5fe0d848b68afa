/**
 * The runs of the corpus, in the order in which they are recorded. The halves have no seed and no depth in common:
 * tuning 6, 7 and 10 blocks, held-out 5, 8 and 12.
 */
import type { Family } from './families/parts.ts';
import { QUIET } from './families/quiet.ts';
import { RATES } from './families/rates.ts';
import { RISING } from './families/rising.ts';
import type { RunSpec } from './spec.ts';

function specsOf(family: Family, split: RunSpec['split'], seed: number): RunSpec[] {
  const parts = split === 'tuning' ? family.tuning : family.heldOut;
  return parts.map((part, i) => ({
    name: `${split === 'tuning' ? 't' : 'h'}-${family.name}-${String(i + 1).padStart(2, '0')}`,
    split,
    width: 16,
    seed: seed + i,
    warmup: 10,
    clipNorm: null,
    ...part,
  }));
}

export const RUNS: readonly RunSpec[] = [...RISING, ...QUIET, ...RATES].flatMap((family, f) => [
  ...specsOf(family, 'tuning', 1000 + 20 * f),
  ...specsOf(family, 'held-out', 5000 + 20 * f),
]);
