/**
 * One step from its parts: the stages of a pipeline chained in their order, then the data-parallel pipelines reduced. Pure; which
 * parts belong together, and how long they are waited for, is join.ts's.
 */
import { analyse } from '../../src/telemetry/analyse.ts';
import { LARGEST_OVER_TOKENS, MEASURE_INDEX, MEASURES, OVER_DEPTH } from '../../src/telemetry/catalogue.ts';
import type { RankReport, StepReport } from '../../src/telemetry/report.ts';
import { MEMORY_KINDS, type MemorySample, type MonitorCounters, type RunHeader, type StepSample } from '../../src/telemetry/sample.ts';
import type { Matrices, Part } from './decode.ts';

export interface Combined {
  report: StepReport;
  /** A pipeline's stages sampled different tokens: its products over the depth are not known. */
  tokensDiffer: boolean;
}

/**
 * @param pipelines the parts of each data-parallel pipeline, by stage; a stage may be missing
 * @param starts index of each stage's first connection in the header
 */
export function combine(header: RunHeader, starts: readonly number[], pipelines: readonly (readonly Part[])[]): Combined {
  const chained = pipelines.map((parts) => chain(header, starts, parts));
  const ranks = pipelines.map((parts) => parts[0].rank);
  return {
    report: reduce(
      header,
      ranks,
      chained.map((one) => one.report),
    ),
    tokensDiffer: chained.some((one) => one.tokensDiffer),
  };
}

const matricesOf = ({ content }: Part): Matrices | null => ('sample' in content ? content : null);

function chain(header: RunHeader, starts: readonly number[], parts: readonly Part[]): Combined {
  const [first] = parts;
  const matrices = parts.map(matricesOf);
  const whole = parts.length === starts.length;
  if (whole && matrices.every((one) => one !== null)) {
    const { tokens } = matrices[0];
    const same = matrices.every((one) => one.tokens === tokens && `${one.positions}` === `${matrices[0].positions}`);
    if (same) return { report: analyse({ ...header, tokens }, chainSamples(matrices.map((one) => one.sample))), tokensDiffer: false };
  }
  const reports = parts.map((part) => {
    const { content, connections } = part;
    return 'report' in content ? content.report : analyse({ ...header, tokens: content.tokens, connections }, content.sample);
  });
  if (whole && parts.length === 1) return { report: reports[0], tokensDiffer: false };
  const report = sideBySide(
    header,
    reports,
    parts.map((part) => starts[part.stage]),
  );
  return { report: { ...report, step: first.step }, tokensDiffer: whole && matrices.every((one) => one !== null) };
}

function chainSamples(samples: readonly StepSample[]): StepSample {
  const [first] = samples;
  if (samples.length === 1) return first;
  const all = (of: (sample: StepSample) => Float32Array | null): Float32Array | null => {
    const arrays = samples.map(of);
    return arrays.every((array) => array !== null) ? join(arrays) : null;
  };
  return {
    ...scalarsOf(samples),
    memory: chainMemory(samples.map((sample) => sample.memory)),
    mappings: join(samples.map((sample) => sample.mappings)),
    logits: all((sample) => sample.logits),
    grams: all((sample) => sample.grams),
    inputSquares: all((sample) => sample.inputSquares),
    gradientGains: all((sample) => sample.gradientGains),
    logitGradients: all((sample) => sample.logitGradients),
  };
}

function join(arrays: readonly Float32Array[]): Float32Array {
  const joined = new Float32Array(arrays.reduce((sum, array) => sum + array.length, 0));
  let at = 0;
  for (const array of arrays) {
    joined.set(array, at);
    at += array.length;
  }
  return joined;
}

/** Stages whose products cannot be formed: each connection's own measures, NaN for what is over the depth or missing. */
function sideBySide(header: RunHeader, reports: readonly StepReport[], starts: readonly number[]): StepReport {
  const layers = header.connections.length;
  const size = header.streams ** 2;
  const measures = new Float32Array(MEASURES.length * layers).fill(Number.NaN);
  const mapping = new Float32Array(layers * size).fill(Number.NaN);
  const nonfinite = new Float64Array(layers);
  reports.forEach((report, i) => {
    const own = report.nonfinite.length;
    MEASURES.forEach(({ key }, m) => {
      if (!OVER_DEPTH.includes(key)) measures.set(report.measures.subarray(m * own, (m + 1) * own), m * layers + starts[i]);
    });
    mapping.set(report.mapping, starts[i] * size);
    nonfinite.set(report.nonfinite, starts[i]);
  });
  const memory = reports.length === 1 ? null : chainMemory(reports.map((report) => report.memory));
  const known = memory?.connections.length === MEMORY_KINDS.length * layers ? memory : null;
  return { ...scalarsOf(reports), memory: known, compositeGain: null, measures, mapping, nonfinite };
}

interface Scalars {
  step: number;
  time: number;
  stepSeconds: number;
  loss: number | null;
  gradientNorm: number | null;
  learningRate: number | null;
  monitor: MonitorCounters;
}

/** Of several ranks: the last time, the longest step, means of what is known. */
function scalarsOf(parts: readonly Scalars[]): Scalars {
  const mean = (of: (part: Scalars) => number | null): number | null => {
    const values = parts.map(of).filter((value) => value !== null);
    return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
  };
  const sum = (of: (counters: MonitorCounters) => number) => parts.reduce((total, part) => total + of(part.monitor), 0);
  const seconds = parts.map((part) => part.stepSeconds).filter((value) => !Number.isNaN(value));
  return {
    step: parts[0].step,
    time: Math.max(...parts.map((part) => part.time)),
    stepSeconds: seconds.length === 0 ? Number.NaN : Math.max(...seconds),
    loss: mean((part) => part.loss),
    gradientNorm: mean((part) => part.gradientNorm),
    learningRate: mean((part) => part.learningRate),
    monitor: {
      overheadSeconds: sum((counters) => counters.overheadSeconds),
      samplesDropped: sum((counters) => counters.samplesDropped),
      errors: sum((counters) => counters.errors),
    },
  };
}

/** Stages lie on machines of their own: bytes add up. */
function chainMemory(parts: readonly (MemorySample | null)[]): MemorySample | null {
  if (!parts.every((part) => part !== null)) return null;
  const layers = parts.map((part) => part.connections.length / MEMORY_KINDS.length);
  const connections = new Float64Array(parts.reduce((sum, part) => sum + part.connections.length, 0));
  const totals: Record<string, number> = {};
  let at = 0;
  for (let k = 0; k < MEMORY_KINDS.length; k++) {
    parts.forEach((part, i) => {
      connections.set(part.connections.subarray(k * layers[i], (k + 1) * layers[i]), at);
      at += layers[i];
    });
  }
  for (const part of parts) for (const [kind, bytes] of Object.entries(part.totals)) totals[kind] = (totals[kind] ?? 0) + bytes;
  return { connections, totals };
}

const LARGEST = new Set(LARGEST_OVER_TOKENS.map((key) => MEASURE_INDEX[key]));

/**
 * Over data-parallel ranks, as over their tokens: means, or the largest where a measure is that; NaN does not count. Memory is
 * that of the rank with the most.
 */
function reduce(header: RunHeader, ranks: readonly number[], reports: readonly StepReport[]): StepReport {
  if (reports.length === 1) return reports[0];
  const layers = header.connections.length;
  const size = MEASURES.length * layers;
  const measures = new Float32Array(size).fill(Number.NaN);
  const largest = new Float32Array(size).fill(Number.NaN);
  const largestRank = new Int32Array(size).fill(-1);
  for (let i = 0; i < size; i++) {
    let sum = 0;
    let count = 0;
    for (let r = 0; r < reports.length; r++) {
      const value = reports[r].measures[i];
      if (Number.isNaN(value)) continue;
      sum += value;
      count++;
      if (largestRank[i] < 0 || value > largest[i]) {
        largest[i] = value;
        largestRank[i] = ranks[r];
      }
    }
    if (count > 0) measures[i] = LARGEST.has(Math.floor(i / layers)) ? largest[i] : sum / count;
  }
  const nonfinite = new Float64Array(layers);
  for (let l = 0; l < layers; l++) nonfinite[l] = reports.reduce((sum, report) => sum + report.nonfinite[l], 0);
  const mapping = new Float32Array(layers * header.streams ** 2);
  for (let i = 0; i < mapping.length; i++) mapping[i] = reports.reduce((sum, report) => sum + report.mapping[i], 0) / reports.length;
  return {
    ...scalarsOf(reports),
    memory: fullest(reports.map((report) => report.memory)),
    compositeGain: largestComposite(measures, layers, reports),
    measures,
    mapping,
    nonfinite,
    ranks: {
      ranks: [...ranks],
      compositeGain: Float64Array.from(reports, (report) => report.compositeGain ?? Number.NaN),
      loss: Float64Array.from(reports, (report) => report.loss ?? Number.NaN),
      largest,
      largestRank,
    } satisfies RankReport,
  };
}

/** G of the reduced composite gains, or the mean of the ranks' own where only those are known. What is not finite is not hidden. */
function largestComposite(measures: Float32Array, layers: number, reports: readonly StepReport[]): number | null {
  const own = reports.map((report) => report.compositeGain).filter((value) => value !== null);
  if (own.length === 0) return null;
  const mean = own.reduce((sum, value) => sum + value, 0) / own.length;
  if (!Number.isFinite(mean)) return mean;
  const all = (['compositeForwardGain', 'compositeBackwardGain'] as const).flatMap((key) => {
    const m = MEASURE_INDEX[key];
    return [...measures.subarray(m * layers, (m + 1) * layers)].filter((value) => !Number.isNaN(value));
  });
  return all.length === 0 ? mean : Math.max(...all);
}

function fullest(parts: readonly (MemorySample | null)[]): MemorySample | null {
  const of = (part: MemorySample) => part.totals['allocated'] ?? Object.values(part.totals).reduce((sum, bytes) => sum + bytes, 0);
  return parts.reduce((most, part) => (part !== null && (most === null || of(part) > of(most)) ? part : most), null);
}
