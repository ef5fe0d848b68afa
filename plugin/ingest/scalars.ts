/** What several ranks say of one step besides its connections → one of each number. */
import type { MonitorCounters } from '../../src/telemetry/sample.ts';
import type { Scalars } from '../wire/part.ts';

/** The last time, the longest step, means of what is known; the counters of the first (`sumCounters` has those of all). */
export function combineScalars(parts: readonly Scalars[]): Scalars {
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

/** Of all ranks together; zeros for none. */
export function sumCounters(all: readonly MonitorCounters[]): MonitorCounters {
  const sum = (of: (counters: MonitorCounters) => number) => all.reduce((total, counters) => total + of(counters), 0);
  return {
    overheadSeconds: sum((counters) => counters.overheadSeconds),
    samplesDropped: sum((counters) => counters.samplesDropped),
    errors: sum((counters) => counters.errors),
  };
}
