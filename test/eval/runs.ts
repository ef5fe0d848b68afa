/**
 * The runs of the corpus, in the order in which they are recorded. The halves have no seed and no depth in common:
 * tuning 6, 7 and 10 blocks, held-out 5, 8 and 12.
 */
import type { Disturbance, RunSpec } from './spec.ts';

type Split = RunSpec['split'];
type Part = Pick<RunSpec, 'connection' | 'depth' | 'steps' | 'learningRate'> & Partial<RunSpec>;

/** One kind of run: what it is called, and its runs in each half. */
interface Family {
  name: string;
  tuning: Part[];
  heldOut: Part[];
}

const hc = (depth: number, learningRate: number, steps: number, more: Partial<RunSpec> = {}): Part => ({
  connection: 'hc',
  depth,
  learningRate,
  steps,
  ...more,
});
const mhc = (depth: number, learningRate: number, steps: number, more: Partial<RunSpec> = {}): Part => ({
  ...hc(depth, learningRate, steps, more),
  connection: more.connection ?? 'mhc',
});
const clip = { clipNorm: 1 };
const fixed = { connection: 'hc-static' } as const;
/** × `factor` from `step` on. */
const stepAt = (step: number, factor: number): Partial<RunSpec> => ({
  schedule: [
    [step - 1, 1],
    [step, factor],
  ],
});
/** Rises (or falls) to × `factor` between two steps. */
const ramp = (from: number, to: number, factor: number): Partial<RunSpec> => ({
  schedule: [
    [from, 1],
    [to, factor],
  ],
});
const disturbed = (kind: Disturbance['kind'], connection: number, step: number, size: number): Partial<RunSpec> => ({
  disturbance: { kind, connection, step, size },
});

const FAMILIES: Family[] = [
  {
    name: 'constant',
    tuning: [
      hc(7, 6e-3, 1200),
      hc(10, 4e-3, 1500, clip),
      hc(10, 6e-3, 1000),
      hc(7, 5e-3, 1500, { ...clip, warmup: 100 }),
      hc(10, 5e-3, 1000, fixed),
      hc(7, 8e-3, 1000, { width: 32 }),
      hc(10, 3e-3, 2500, { warmup: 100 }),
      hc(7, 4e-3, 2000, fixed),
    ],
    heldOut: [
      hc(8, 5e-3, 1200),
      hc(12, 4e-3, 1500, clip),
      hc(8, 6e-3, 1200, { ...clip, warmup: 100 }),
      hc(12, 6e-3, 800),
      hc(8, 8e-3, 800, fixed),
      hc(12, 3e-3, 2500, clip),
      hc(8, 4e-3, 1500, { width: 32 }),
      hc(12, 5e-3, 1000, { warmup: 200 }),
      hc(8, 7e-3, 1000, { width: 24, ...clip }),
      hc(12, 4e-3, 1500, fixed),
    ],
  },
  {
    name: 'slow-warm-up',
    tuning: [
      hc(7, 7e-3, 3000, { warmup: 2500 }),
      hc(10, 6e-3, 3000, { ...clip, warmup: 2500 }),
      hc(7, 6e-3, 3000, { ...clip, warmup: 1500 }),
      hc(10, 5e-3, 3000, { warmup: 2000 }),
      hc(10, 6e-3, 3000, { ...fixed, warmup: 3000 }),
      hc(7, 8e-3, 3000, { ...clip, warmup: 3000 }),
    ],
    heldOut: [
      hc(8, 7e-3, 3000, { warmup: 2500 }),
      hc(12, 6e-3, 3000, { ...clip, warmup: 3000 }),
      hc(8, 6e-3, 3000, { ...clip, warmup: 2000 }),
      hc(12, 5e-3, 3000, { warmup: 2500 }),
      hc(8, 7e-3, 3000, { ...fixed, warmup: 3000 }),
      hc(8, 8e-3, 3000, { ...clip, warmup: 3500 }),
      hc(12, 5e-3, 3000, { ...clip, warmup: 2500 }),
      hc(8, 6e-3, 3500, { width: 32, warmup: 3000 }),
    ],
  },
  {
    name: 'rate-step',
    tuning: [
      hc(7, 1.2e-3, 2500, stepAt(1200, 5)),
      hc(10, 1e-3, 2500, { ...clip, ...stepAt(1000, 5) }),
      hc(10, 1.2e-3, 2500, { ...fixed, ...stepAt(1500, 4) }),
      hc(7, 1.5e-3, 2200, { ...clip, ...stepAt(900, 5) }),
    ],
    heldOut: [
      hc(8, 1.2e-3, 2500, stepAt(1300, 5)),
      hc(12, 1e-3, 2500, { ...clip, ...stepAt(1000, 5) }),
      hc(8, 1.2e-3, 2500, { ...clip, ...stepAt(1400, 5) }),
      hc(12, 1.2e-3, 2500, stepAt(1200, 4)),
      hc(8, 1.5e-3, 2500, { ...fixed, ...stepAt(1100, 5) }),
      hc(8, 1e-3, 2500, { ...clip, ...stepAt(1200, 7) }),
    ],
  },
  {
    name: 'disturbed-rate',
    tuning: [
      hc(7, 2e-3, 2200, disturbed('learning-rate', 5, 1100, 30)),
      hc(10, 1.5e-3, 2200, { ...clip, ...disturbed('learning-rate', 12, 800, 30) }),
      hc(7, 2e-3, 2200, { ...clip, ...disturbed('learning-rate', 9, 1200, 30) }),
      hc(10, 2e-3, 1500, { ...fixed, ...disturbed('learning-rate', 3, 500, 30) }),
    ],
    heldOut: [
      hc(8, 2e-3, 2200, disturbed('learning-rate', 6, 1100, 30)),
      hc(12, 1.5e-3, 2000, { ...clip, ...disturbed('learning-rate', 15, 900, 30) }),
      hc(8, 2e-3, 2200, { ...clip, ...disturbed('learning-rate', 11, 1200, 30) }),
      hc(8, 2.5e-3, 1500, { ...fixed, ...disturbed('learning-rate', 2, 500, 30) }),
      hc(12, 2e-3, 1500, disturbed('learning-rate', 19, 600, 30)),
      hc(5, 2e-3, 2000, disturbed('learning-rate', 4, 700, 30)),
      hc(8, 1.5e-3, 2200, disturbed('learning-rate', 8, 1000, 30)),
    ],
  },
  {
    name: 'disturbed-b_res',
    tuning: [hc(7, 2e-3, 1500, disturbed('b_res', 4, 600, 1)), hc(10, 1.5e-3, 1500, { ...clip, ...disturbed('b_res', 14, 500, 1.5) })],
    heldOut: [
      hc(8, 2e-3, 1500, disturbed('b_res', 7, 600, 1)),
      hc(12, 1.5e-3, 1300, { ...clip, ...disturbed('b_res', 16, 400, 1.5) }),
      hc(5, 2e-3, 1500, disturbed('b_res', 3, 500, 2)),
      hc(8, 2e-3, 1500, { ...fixed, ...disturbed('b_res', 12, 700, 1) }),
    ],
  },
  {
    name: 'mhc-disturbed',
    tuning: [
      mhc(6, 4e-3, 1200, disturbed('sinkhorn', 3, 400, 1)),
      mhc(6, 4e-3, 1500, disturbed('learning-rate', 7, 400, 30)),
      mhc(7, 4e-3, 1200, disturbed('b_res', 8, 400, 8)),
      mhc(7, 6e-3, 1500, disturbed('learning-rate', 4, 300, 30)),
    ],
    heldOut: [
      mhc(5, 4e-3, 1200, disturbed('sinkhorn', 4, 400, 1)),
      mhc(8, 4e-3, 1200, disturbed('sinkhorn', 9, 300, 1)),
      mhc(5, 4e-3, 1500, disturbed('learning-rate', 6, 400, 30)),
      mhc(8, 6e-3, 1200, disturbed('learning-rate', 5, 300, 30)),
      mhc(5, 4e-3, 1200, disturbed('b_res', 2, 400, 8)),
      mhc(8, 4e-3, 1200, disturbed('b_res', 10, 400, 8)),
      mhc(5, 6e-3, 1200, { connection: 'mhc-deepseek', ...disturbed('learning-rate', 3, 300, 30) }),
      mhc(8, 6e-3, 1200, { ...clip, ...disturbed('sinkhorn', 12, 500, 1) }),
      mhc(5, 6e-3, 1200, disturbed('sinkhorn', 7, 300, 2)),
      mhc(5, 6e-3, 1200, { ...clip, ...disturbed('b_res', 5, 300, 8) }),
    ],
  },
  {
    name: 'mhc-few-iterations',
    tuning: [mhc(6, 6e-3, 1500, { iterations: 1 }), mhc(7, 8e-3, 1500, { iterations: 2 }), mhc(6, 8e-3, 1500, { ...clip, iterations: 1 })],
    heldOut: [
      mhc(5, 6e-3, 1500, { iterations: 1 }),
      mhc(8, 8e-3, 1500, { iterations: 1 }),
      mhc(5, 8e-3, 1500, { iterations: 2 }),
      mhc(8, 8e-3, 1500, { ...clip, iterations: 3 }),
    ],
  },
  {
    name: 'mhc-large-logits',
    tuning: [mhc(6, 4e-3, 1000, { logitStd: 4 }), mhc(7, 6e-3, 1000, { logitStd: 8 }), mhc(6, 2e-3, 1000, { logitStd: 2 })],
    heldOut: [mhc(5, 4e-3, 1000, { logitStd: 4 }), mhc(8, 6e-3, 1000, { logitStd: 8 }), mhc(5, 2e-3, 1000, { logitStd: 2 })],
  },
  {
    name: 'plateau',
    tuning: [
      hc(10, 2e-3, 3000),
      hc(7, 2e-3, 3000, clip),
      hc(7, 2.5e-3, 3000, fixed),
      hc(10, 1.5e-3, 3000, clip),
      hc(6, 3e-3, 3000),
      hc(6, 5e-3, 2000, clip),
    ],
    heldOut: [
      hc(8, 2e-3, 3500),
      hc(12, 1.5e-3, 3000),
      hc(8, 2e-3, 3500, clip),
      hc(5, 4e-3, 3500),
      hc(5, 3e-3, 3500, clip),
      hc(8, 2.5e-3, 3000, fixed),
      hc(5, 6e-3, 2000, fixed),
    ],
  },
  {
    name: 'rise-and-return',
    tuning: [
      hc(10, 4e-3, 1800, ramp(300, 450, 0.1)),
      hc(7, 6e-3, 1800, { ...clip, ...ramp(250, 400, 0.1) }),
      hc(7, 5e-3, 2000, stepAt(300, 0.05)),
    ],
    heldOut: [
      hc(8, 4e-3, 2000, ramp(300, 450, 0.1)),
      hc(12, 4e-3, 1800, { ...clip, ...ramp(300, 400, 0.1) }),
      hc(8, 5e-3, 2000, { ...clip, ...stepAt(300, 0.05) }),
      hc(5, 6e-3, 2000, ramp(300, 600, 0.1)),
    ],
  },
  {
    name: 'mhc-healthy',
    tuning: [mhc(6, 6e-3, 2500), mhc(7, 4e-3, 2000, clip), mhc(6, 4e-3, 2000, { connection: 'mhc-deepseek' })],
    heldOut: [
      mhc(5, 6e-3, 3500),
      mhc(8, 4e-3, 3000),
      mhc(5, 8e-3, 3000, clip),
      mhc(5, 4e-3, 3000, { connection: 'mhc-deepseek' }),
      mhc(8, 2e-3, 2000, clip),
    ],
  },
  {
    name: 'mhc-half',
    tuning: [mhc(6, 4e-3, 1000, { half: true })],
    heldOut: [mhc(5, 4e-3, 1500, { half: true }), mhc(8, 6e-3, 1000, { half: true })],
  },
  {
    name: 'short',
    tuning: [
      hc(6, 1e-3, 300),
      hc(10, 2e-3, 300),
      hc(7, 3e-3, 300, clip),
      hc(10, 6e-3, 300, clip),
      hc(6, 6e-3, 300, fixed),
      mhc(7, 6e-3, 300),
    ],
    heldOut: [
      hc(5, 1e-3, 300),
      hc(12, 2e-3, 300),
      hc(8, 3e-3, 300, clip),
      hc(12, 8e-3, 300),
      hc(5, 6e-3, 300, fixed),
      mhc(8, 6e-3, 300),
      hc(12, 1e-3, 300, clip),
      hc(8, 1e-3, 300, { width: 32 }),
    ],
  },
  {
    name: 'poisoned',
    tuning: [hc(7, 1.5e-3, 1500, { poison: { step: 700, count: 5 } }), mhc(6, 4e-3, 1200, { poison: { step: 500, count: 10 } })],
    heldOut: [
      hc(8, 1.5e-3, 1500, { poison: { step: 700, count: 5 } }),
      hc(5, 3e-3, 1500, { ...clip, poison: { step: 500, count: 20 } }),
      mhc(5, 4e-3, 1200, { poison: { step: 500, count: 10 } }),
      hc(8, 1e-3, 1500, { poison: { step: 900, count: 1 } }),
    ],
  },
  {
    name: 'residual',
    tuning: [hc(7, 4e-3, 1500, { connection: 'residual' })],
    heldOut: [hc(8, 4e-3, 2000, { connection: 'residual' }), hc(12, 6e-3, 1500, { connection: 'residual', ...clip })],
  },
  {
    name: 'very-high-rate',
    tuning: [hc(7, 3e-2, 600), hc(10, 1.5e-2, 600)],
    heldOut: [hc(8, 3e-2, 600), hc(12, 2e-2, 600, clip), hc(5, 3e-2, 800)],
  },
  {
    name: 'slow-ramp',
    tuning: [hc(7, 1e-3, 4000, ramp(500, 4000, 7)), hc(10, 1e-3, 4000, { ...clip, ...ramp(500, 4000, 6) })],
    heldOut: [
      hc(8, 1e-3, 4000, ramp(500, 4000, 7)),
      hc(12, 1e-3, 3500, { ...clip, ...ramp(500, 3500, 6) }),
      hc(8, 1e-3, 4000, { ...clip, ...ramp(1000, 4000, 7) }),
    ],
  },
  {
    name: 'low-rate',
    tuning: [hc(7, 5e-4, 3000), hc(6, 1e-3, 3000, clip)],
    heldOut: [hc(8, 5e-4, 3500), hc(5, 1e-3, 3500, clip), hc(5, 2e-3, 3500), hc(5, 1.5e-3, 3000, fixed)],
  },
  {
    name: 'late-rise',
    tuning: [
      hc(7, 1e-3, 2500, stepAt(1200, 9)),
      hc(10, 1e-3, 2500, stepAt(1400, 7)),
      hc(7, 1.2e-3, 2500, { ...clip, ...ramp(1000, 1600, 9) }),
      hc(10, 1.2e-3, 2500, { ...clip, ...ramp(1100, 1300, 7) }),
      hc(10, 1e-3, 2500, { ...fixed, ...stepAt(1200, 9) }),
      hc(10, 1e-3, 3000, ramp(1000, 2500, 10)),
      hc(7, 1e-3, 2500, { width: 32, ...stepAt(1200, 9) }),
      hc(10, 1.2e-3, 2200, stepAt(1100, 6)),
      hc(10, 1.5e-3, 2200, { ...clip, ...stepAt(1200, 5) }),
      hc(10, 1e-3, 2500, ramp(1000, 1500, 8)),
      hc(10, 1.2e-3, 2500, { width: 24, ...ramp(1000, 1800, 7) }),
      hc(10, 1e-3, 2200, { ...clip, ...stepAt(1200, 9) }),
    ],
    heldOut: [
      hc(8, 1e-3, 2500, stepAt(1300, 9)),
      hc(12, 1e-3, 2200, stepAt(1200, 7)),
      hc(8, 1.2e-3, 2500, { ...clip, ...ramp(1100, 1600, 9) }),
      hc(12, 1.2e-3, 2500, { ...clip, ...ramp(1200, 1500, 7) }),
      hc(12, 1e-3, 2500, { ...fixed, ...stepAt(1400, 7) }),
      hc(12, 1e-3, 2500, ramp(1000, 2200, 9)),
      hc(8, 1e-3, 2500, { width: 32, ...stepAt(1200, 9) }),
      hc(12, 1e-3, 2200, { ...clip, ...stepAt(1300, 8) }),
      hc(8, 1e-3, 2500, { ...clip, ...ramp(1100, 1300, 10) }),
      hc(12, 1.2e-3, 2200, { width: 24, ...stepAt(1300, 6) }),
      hc(12, 1.5e-3, 2200, ramp(1100, 1200, 5)),
      hc(8, 1.2e-3, 2500, { ...fixed, ...stepAt(1100, 9) }),
      hc(12, 1.2e-3, 2500, ramp(1000, 1800, 7)),
      hc(12, 1e-3, 2500, { ...clip, ...ramp(1000, 1500, 9) }),
      hc(12, 1.5e-3, 2200, { ...clip, ...stepAt(1100, 5) }),
      hc(12, 1.2e-3, 2200, stepAt(1500, 7)),
    ],
  },
  {
    name: 'fast-rise',
    tuning: [
      hc(10, 5e-3, 1000),
      hc(7, 7e-3, 1000, clip),
      hc(10, 7e-3, 800, { width: 24, warmup: 50 }),
      hc(10, 4e-3, 1200, fixed),
      hc(7, 9e-3, 800, fixed),
      hc(10, 8e-3, 800, { ...clip, warmup: 150 }),
    ],
    heldOut: [
      hc(12, 5e-3, 1000, clip),
      hc(8, 7e-3, 1000),
      hc(12, 7e-3, 800, { width: 24, warmup: 50 }),
      hc(12, 4e-3, 1200, { width: 32 }),
      hc(8, 9e-3, 800, { ...fixed, ...clip }),
      hc(12, 8e-3, 800, { warmup: 150 }),
    ],
  },
  {
    // More of what is hard to tell apart, to tune with.
    name: 'near-and-over',
    tuning: [
      hc(10, 1e-3, 2200, stepAt(1100, 7)),
      hc(10, 1.2e-3, 2200, { ...clip, ...stepAt(1200, 6) }),
      hc(10, 1.5e-3, 2200, ramp(1100, 1400, 5)),
      hc(10, 1e-3, 2500, { ...clip, ...ramp(1000, 1800, 9) }),
      hc(10, 1e-3, 2200, { ...fixed, ...stepAt(1100, 10) }),
      hc(7, 1e-3, 2200, stepAt(1100, 10)),
      hc(7, 1.2e-3, 2200, { ...clip, ...stepAt(1200, 9) }),
      hc(7, 1e-3, 2500, { width: 24, ...ramp(1000, 1600, 11) }),
      hc(6, 1e-3, 2200, stepAt(1200, 12)),
      hc(6, 1.2e-3, 2200, { ...clip, ...ramp(1100, 1500, 10) }),
      hc(10, 2e-3, 2200, { ...clip, ...stepAt(1300, 3) }),
      hc(7, 2e-3, 2200, stepAt(1200, 4)),
      hc(10, 6e-3, 900, clip),
      hc(10, 5e-3, 1200, { warmup: 200 }),
      hc(10, 7e-3, 800, { width: 32 }),
      hc(7, 6e-3, 1200, { ...clip, warmup: 50 }),
      hc(7, 8e-3, 1000, fixed),
      hc(7, 1e-2, 800, clip),
      hc(6, 8e-3, 1000),
      hc(6, 7e-3, 1200, { ...clip, width: 24 }),
      hc(10, 4e-3, 1500, { warmup: 100 }),
      hc(10, 3.5e-3, 1500),
      hc(10, 5e-3, 2500, { warmup: 1000 }),
      hc(7, 7e-3, 2500, { ...clip, warmup: 1000 }),
      hc(10, 2.5e-3, 2500, clip),
      hc(7, 3e-3, 2500),
      hc(10, 1e-3, 3500, ramp(500, 3500, 9)),
      hc(10, 1e-3, 3500, { ...clip, ...ramp(1000, 3000, 8) }),
    ],
    heldOut: [],
  },
];

function specsOf(family: Family, split: Split, seed: number): RunSpec[] {
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

export const RUNS: readonly RunSpec[] = FAMILIES.flatMap((family, f) => [
  ...specsOf(family, 'tuning', 1000 + 20 * f),
  ...specsOf(family, 'held-out', 5000 + 20 * f),
]);
