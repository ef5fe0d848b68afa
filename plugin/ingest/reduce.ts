/** The data-parallel ranks of one step, reduced to one report; and one of each number that several ranks say of a step. */
import { LARGEST_OVER_TOKENS, MEASURE_INDEX } from '../../src/telemetry/catalogue.ts';
import type { RankReport, StepReport } from '../../src/telemetry/report.ts';
import { type MemorySample, type MonitorCounters, NO_COUNTERS, type RunHeader } from '../../src/telemetry/sample.ts';
import type { Scalars } from '../wire/part.ts';

const LARGEST = new Set(LARGEST_OVER_TOKENS.map((key) => MEASURE_INDEX[key]));

/**
 * Over data-parallel ranks, as over their tokens: means, or the largest where a measure is that; NaN does not count. Memory is
 * that of the rank with the most.
 * @param ranks number of each report's rank
 */
export function reduce(
  header: Pick<RunHeader, 'connections' | 'streams'>,
  ranks: readonly number[],
  reports: readonly StepReport[],
): StepReport {
  if (reports.length === 1) return reports[0];
  const layers = header.connections.length;
  const size = reports[0].measures.length;
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
  for (let i = 0; i < mapping.length; i++) {
    const known = reports.map((report) => report.mapping[i]).filter((value) => !Number.isNaN(value));
    mapping[i] = meanOf(known);
  }
  return {
    ...combineScalars(reports),
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
  const mean = meanOf(own);
  if (!Number.isFinite(mean)) return mean;
  const all = (['compositeForwardGain', 'compositeBackwardGain'] as const).flatMap((key) => {
    const m = MEASURE_INDEX[key];
    return [...measures.subarray(m * layers, (m + 1) * layers)].filter((value) => !Number.isNaN(value));
  });
  return all.length === 0 ? mean : Math.max(...all);
}

function fullest(parts: readonly (MemorySample | null)[]): MemorySample | null {
  const of = (part: MemorySample) => part.totals.get('allocated') ?? [...part.totals.values()].reduce((sum, bytes) => sum + bytes, 0);
  return parts.reduce((most, part) => (part !== null && (most === null || of(part) > of(most)) ? part : most), null);
}

/** The last time, the longest step, means of what is known; the counters of the first (`sumCounters` has those of all). */
export function combineScalars(parts: readonly Scalars[]): Scalars {
  const mean = (of: (part: Scalars) => number | null): number | null => {
    const values = parts.map(of).filter((value) => value !== null);
    return values.length === 0 ? null : meanOf(values);
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
  return all.reduce(
    (sum, { overheadSeconds, samplesDropped, errors }) => ({
      overheadSeconds: sum.overheadSeconds + overheadSeconds,
      samplesDropped: sum.samplesDropped + samplesDropped,
      errors: sum.errors + errors,
    }),
    NO_COUNTERS,
  );
}

/** NaN for none. */
const meanOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
