/** What a step says besides its connections, of several ranks: one of each number. */
import type { StepReport } from '../../src/telemetry/report.ts';

/** The same in a StepSample. */
export type Scalars = Pick<StepReport, 'step' | 'time' | 'stepSeconds' | 'loss' | 'gradientNorm' | 'learningRate' | 'monitor'>;

/** Of several ranks: the last time, the longest step, means of what is known. What all ranks counted is join.ts's. */
export function scalarsOf(parts: readonly Scalars[]): Scalars {
  const mean = (of: (part: Scalars) => number | null): number | null => {
    const values = parts.map(of).filter((value) => value !== null);
    return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
  };
  const seconds = parts.map((part) => part.stepSeconds).filter((value) => !Number.isNaN(value));
  return {
    step: parts[0].step,
    time: Math.max(...parts.map((part) => part.time)),
    stepSeconds: seconds.length === 0 ? Number.NaN : Math.max(...seconds),
    loss: mean((part) => part.loss),
    gradientNorm: mean((part) => part.gradientNorm),
    learningRate: mean((part) => part.learningRate),
    monitor: parts[0].monitor,
  };
}
