/** Reports made by hand, for tests of what reads them: healthy unless told otherwise; and the detectors led through them. */
import { createDetectors, type Detection, type DetectorState, detect } from '../../alerts/detect.ts';
import { MEASURE_INDEX, MEASURES, type MeasureKey } from '../../src/telemetry/catalogue.ts';
import type { StepReport } from '../../src/telemetry/report.ts';
import type { ConnectionKind, RunHeader } from '../../src/telemetry/sample.ts';
import { TEST_TIME, testHeader } from './samples.ts';

/** A run of `layers` connections of one kind, named as those of testHeader. */
export const headerOf = (kind: ConnectionKind, layers = 8, streams = 4): RunHeader => testHeader('a-run', layers, streams, 4, kind);

const HEALTHY: Partial<Record<MeasureKey, number>> = {
  forwardGain: 1.05,
  backwardGain: 1.05,
  rowDeviation: 1e-7,
  columnDeviation: 0.01,
  rowSumMin: 1,
  columnSumMin: 0.98,
  separation: 0.7,
  logitRange: 5,
  routingEntropy: 0.5,
  logitGradient: 0.01,
};

export type GivenReport = Partial<Omit<StepReport, 'measures'>> & {
  /** Of all connections, or of each. */
  measures?: Partial<Record<MeasureKey, number | ((l: number) => number)>>;
};

/** A healthy step, but for what is given. */
export function reportOf(header: RunHeader, step: number, { measures = {}, ...given }: GivenReport = {}): StepReport {
  const layers = header.connections.length;
  const values = new Float32Array(MEASURES.length * layers).fill(Number.NaN);
  for (const [key, value] of Object.entries({ ...HEALTHY, ...measures })) {
    for (let l = 0; l < layers; l++) values[MEASURE_INDEX[key as MeasureKey] * layers + l] = typeof value === 'function' ? value(l) : value;
  }
  return {
    step,
    time: TEST_TIME + 1000 * step,
    stepSeconds: 1,
    loss: 3,
    gradientNorm: 1,
    learningRate: 1e-3,
    compositeGain: header.connections[0]?.kind === 'hc' ? 2 : 1.05,
    measures: values,
    mapping: new Float32Array(0),
    nonfinite: new Float64Array(layers),
    memory: null,
    monitor: { overheadSeconds: 0, samplesDropped: 0, errors: 0 },
    ...given,
  };
}

/** Noise of the same kind at every run of a test, −1 to 1. */
export const wobble = (step: number): number => Math.sin(12.9898 * step) * Math.cos(78.233 * step);

/** Leads detectors through every k-th of the steps, as the probe does. @returns their state, and all that was raised and cleared */
export function follow(
  header: RunHeader,
  steps: number,
  given: (step: number) => GivenReport,
  { every = 1, sensitivity = 1 } = {},
): Detection & { state: DetectorState } {
  const state = createDetectors(header, { sensitivity });
  const all: Detection = { raised: [], cleared: [] };
  for (let step = 1; step <= steps; step += every) {
    const { raised, cleared } = detect(header, state, reportOf(header, step, given(step)));
    all.raised.push(...raised);
    all.cleared.push(...cleared);
  }
  return { ...all, state };
}
