/** Headers and samples that no training made. */
import type { ConnectionKind, RunHeader, StepSample } from '../../src/telemetry/sample.ts';

/** Connections of one kind, two a block: block0.attention, block0.mlp … */
export function headerOf(run: string, kind: ConnectionKind, layers: number, streams: number, tokens: number): RunHeader {
  const convention = kind === 'mhc' ? 'paper' : null;
  const nameOf = (l: number) => `block${l >> 1}.${l % 2 === 0 ? 'attention' : 'mlp'}`;
  return { run, streams, tokens, connections: Array.from({ length: layers }, (_, l) => ({ name: nameOf(l), kind, convention })) };
}

/** With nothing but scalars and mappings, but for what is given. */
export const sampleOf = (step: number, given: Partial<StepSample> & Pick<StepSample, 'mappings'>): StepSample => ({
  step,
  time: 1000 * step,
  stepSeconds: 1,
  loss: 1,
  gradientNorm: 1,
  learningRate: 1e-3,
  logits: null,
  grams: null,
  inputSquares: null,
  gradientGains: null,
  logitGradients: null,
  memory: null,
  monitor: { overheadSeconds: 0, samplesDropped: 0, errors: 0 },
  ...given,
});
