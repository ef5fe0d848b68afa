/**
 * The runs of the corpus, in the order in which they are recorded, read from their tables. The halves have no seed and no depth
 * in common: tuning 6, 7 and 10 blocks, held-out 5, 8 and 12.
 */
import { FAMILIES } from './families.ts';
import type { Disturbance, RunSpec } from './spec.ts';

/** The learning rate rises (or falls) to × `factor` between two steps. */
export const ramp = (from: number, to: number, factor: number): Partial<RunSpec> => ({
  schedule: [[from, 1] as const, [to, factor] as const],
});

/** One connection is disturbed from a step on. */
const disturbed = (kind: Disturbance['kind']) => (connection: number, step: number, size: number) => ({
  disturbance: { kind, connection, step, size },
});

/** What a word of the tables adds to a spec, with its numbers: `poison:700,5`. */
const WORDS: Record<string, (...numbers: [number, number, number]) => Partial<RunSpec>> = {
  clip: () => ({ clipNorm: 1 }),
  half: () => ({ half: true }),
  width: (width) => ({ width }),
  warmup: (warmup) => ({ warmup }),
  iterations: (iterations) => ({ iterations }),
  logitStd: (logitStd) => ({ logitStd }),
  poison: (step, count) => ({ poison: { step, count } }),
  ramp,
  /** × `factor` from `step` on. */
  from: (step, factor) => ramp(step - 1, step, factor),
  'learning-rate': disturbed('learning-rate'),
  b_res: disturbed('b_res'),
  sinkhorn: disturbed('sinkhorn'),
};

/** @param rows of one half of a family, as its table has them */
function specsOf(family: string, split: RunSpec['split'], seed: number, rows: readonly string[]): RunSpec[] {
  return rows.map((row, i) => {
    const [connection, depth, learningRate, steps, ...words] = row.split(/\s+/);
    const special = words.map((word) => {
      const [name, numbers = ''] = word.split(':');
      return WORDS[name](...(numbers.split(',').map(Number) as [number, number, number]));
    });
    return Object.assign(
      {
        name: `${split === 'tuning' ? 't' : 'h'}-${family}-${String(i + 1).padStart(2, '0')}`,
        split,
        width: 16,
        seed: seed + i,
        warmup: 10,
        clipNorm: null,
        connection: connection as RunSpec['connection'],
        depth: Number(depth),
        learningRate: Number(learningRate),
        steps: Number(steps),
      },
      ...special,
    );
  });
}

export const RUNS: readonly RunSpec[] = Object.entries(FAMILIES).flatMap(([family, table], f) => {
  const halves = table
    .trim()
    .split('\n')
    .map((line) => line.split('|').map((row) => row.trim()));
  const rowsOf = (half: 0 | 1) => halves.map((rows) => rows[half]).filter((row) => row !== '');
  return [...specsOf(family, 'tuning', 1000 + 20 * f, rowsOf(0)), ...specsOf(family, 'held-out', 5000 + 20 * f, rowsOf(1))];
});
