/** What the families of runs are put together from. */
import type { Disturbance, RunSpec } from '../spec.ts';

export type Part = Pick<RunSpec, 'connection' | 'depth' | 'steps' | 'learningRate'> & Partial<RunSpec>;

/** One kind of run: what it is called, and its runs in each half. */
export interface Family {
  name: string;
  tuning: Part[];
  heldOut: Part[];
}

/** A run of HC. */
export const hc = (depth: number, learningRate: number, steps: number, more: Partial<RunSpec> = {}): Part => ({
  connection: 'hc',
  depth,
  learningRate,
  steps,
  ...more,
});
/** A run of mHC. */
export const mhc = (depth: number, learningRate: number, steps: number, more: Partial<RunSpec> = {}): Part => ({
  ...hc(depth, learningRate, steps, more),
  connection: more.connection ?? 'mhc',
});
export const clip = { clipNorm: 1 };
export const fixed = { connection: 'hc-static' } as const;
/** Rises (or falls) to × `factor` between two steps. */
export const ramp = (from: number, to: number, factor: number): Partial<RunSpec> => ({
  schedule: [
    [from, 1],
    [to, factor],
  ],
});
/** × `factor` from `step` on. */
export const stepAt = (step: number, factor: number): Partial<RunSpec> => ramp(step - 1, step, factor);
/** One connection is disturbed from a step on. */
export const disturbed = (kind: Disturbance['kind'], connection: number, step: number, size: number): Partial<RunSpec> => ({
  disturbance: { kind, connection, step, size },
});
