/** `gainwatch/telemetry`: the measures of a watched step by name, and what computes them from its matrices. */
export { analyse } from './analyse.ts';
export { MEASURE_INDEX, MEASURES, type MeasureInfo, type MeasureKey, RUN_SCALARS, type RunScalar } from './catalogue.ts';
export type { StepReport } from './report.ts';
export type {
  Bound,
  ConnectionInfo,
  ConnectionKind,
  Convention,
  MemoryKind,
  MemorySample,
  MonitorCounters,
  RunHeader,
  StepSample,
} from './sample.ts';
export { boundOf, MEMORY_KINDS } from './sample.ts';
