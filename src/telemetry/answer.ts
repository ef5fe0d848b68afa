/** StepReport and WarningRecord → the JSON of the HTTP interface. */
import type { StepAnswer, WarningAnswer } from './api.ts';
import { MEASURES } from './catalogue.ts';
import type { StepReport } from './report.ts';
import { MEMORY_KINDS, type RunHeader } from './sample.ts';
import type { WarningRecord } from './warning.ts';
import { toWire, toWireOrNull, type WireNumber } from './wire.ts';

const MEASURE_KEYS = MEASURES.map(({ key }) => key);

/** As the detectors have it: Infinity where no threshold is near. */
export interface StepForecast {
  threshold: number;
  steps: number;
  interval: [low: number, high: number];
}

/**
 * @param forecast none unless given: only of the newest step is it known
 * @param wire of the arrays
 */
export function toStepAnswer(
  header: RunHeader,
  attempt: number,
  report: StepReport,
  forecast: readonly StepForecast[] = [],
  wire: (value: number) => WireNumber = toWire,
): StepAnswer {
  const layers = header.connections.length;
  const size = header.streams * header.streams;
  const rows = (values: ArrayLike<number>, count: number, width: number): WireNumber[][] =>
    Array.from({ length: count }, (_, r) => Array.from({ length: width }, (_, c) => wire(values[r * width + c])));
  const keyed = <K extends string>(keys: readonly K[], values: ArrayLike<number>) => {
    const table = rows(values, keys.length, layers);
    return Object.fromEntries(keys.map((key, i) => [key, table[i]])) as Record<K, WireNumber[]>;
  };
  return {
    run: header.run,
    attempt,
    step: report.step,
    time: report.time,
    stepSeconds: report.stepSeconds,
    loss: toWireOrNull(report.loss),
    gradientNorm: toWireOrNull(report.gradientNorm),
    learningRate: toWireOrNull(report.learningRate),
    compositeGain: toWireOrNull(report.compositeGain),
    measures: keyed(MEASURE_KEYS, report.measures),
    mapping: rows(report.mapping, layers, size),
    nonfinite: Array.from(report.nonfinite),
    memory: report.memory && {
      connections: keyed(MEMORY_KINDS, report.memory.connections),
      totals: Object.fromEntries(report.memory.totals),
    },
    monitor: report.monitor,
    forecast: forecast.map(({ threshold, steps, interval: [low, high] }) => ({
      threshold,
      steps: toWire(steps),
      interval: [toWire(low), toWire(high)],
    })),
  };
}

/** A warning and what became of it, as JSON can hold it. */
export function toWarningAnswer({ id, warning, clearedStep, clearedTime, acknowledgedTime }: WarningRecord): WarningAnswer {
  return { id, ...warning, value: toWire(warning.value), active: clearedTime === null, clearedStep, clearedTime, acknowledgedTime };
}
