/**
 * One step from its parts: the stages of a pipeline chained in their order, then data-parallel pipelines reduced (reduce.ts). Parts have
 * the connections that ran; what one of them lacks and another has was the identity there. A stage that is missing is not known (NaN).
 * Pure; which parts belong to a step, and how long they are waited for, is join.ts's.
 */
import { analyse } from '../../src/telemetry/analyse.ts';
import { MEASURES, OVER_DEPTH } from '../../src/telemetry/catalogue.ts';
import { haveSameNames, type Listing, mergeListing } from '../../src/telemetry/listing.ts';
import type { StepReport } from '../../src/telemetry/report.ts';
import { MEMORY_KINDS, type MemorySample, type RunHeader, type StepSample } from '../../src/telemetry/sample.ts';
import { widenReport } from '../../src/telemetry/widen.ts';
import { MAX_VALUES } from '../wire/bodyLimits.ts';
import { type Matrices, mapObservations, type Part, type RankPosition } from '../wire/part.ts';
import { combineScalars, reduce } from './reduce.ts';

/**
 * Values of the reports of replicas that ran different connections, each as one of all of them. Our choice: 256 MiB, a thousand times what
 * 64 ranks of 122 connections have.
 */
const MAX_WIDENED = 64 * 2 ** 20;

/** A step of one pipeline, or of all of them. */
export interface CombinedStep {
  report: StepReport;
  /** Of the report, from input to output: those that ran, and all of a stage that is missing. */
  connections: Listing;
  /** A pipeline's stages sampled different tokens, or too many for all of them: its products over the depth are not known. */
  tokensDiffer: boolean;
}

type RankPlacement = Pick<RankPosition, 'stage' | 'replica'>;

/** Stages that can be analysed as one model: what `analyse` is to be given. */
export interface ChainedStages {
  header: RunHeader;
  sample: StepSample;
}

/** By the ranks of a pipeline, so that one that gets another part meanwhile is another. */
export type AnalysedPipelines = ReadonlyMap<string, StepReport>;
const keyOf = (pipeline: readonly Part[]): string => pipeline.map(({ rank }) => rank).join();

/**
 * What has to be analysed before a step can be put together: the stages of each of its pipelines as one model; none of those with one
 * stage, a missing one, or `tokensDiffer`. A copy of the matrices.
 * @param stages, ranks, parts as for `combine`
 * @param analysed those that are there already
 */
export function chainedStages(
  stages: readonly Listing[],
  ranks: ReadonlyMap<number, RankPlacement>,
  parts: readonly Part[],
  analysed: AnalysedPipelines = new Map(),
): Map<string, ChainedStages> {
  const found = new Map<string, ChainedStages>();
  for (const pipeline of pipelinesOf(ranks, parts)) {
    const key = keyOf(pipeline);
    const chained = analysed.has(key) ? null : chainOf(stages.length, pipeline).chained;
    if (chained !== null) found.set(key, chained);
  }
  return found;
}

/**
 * @param streams n of the run
 * @param stages connections that each stage has had in any step, by the names that parts have
 * @param ranks all of the run, by number
 * @param parts of some of them, at least one
 * @param analysed the reports of `chainedStages`, where they were made before; what it has not is analysed here
 * @throws RangeError where an array does not fit its connections
 */
export function combine(
  streams: number,
  stages: readonly Listing[],
  ranks: ReadonlyMap<number, RankPlacement>,
  parts: readonly Part[],
  analysed: AnalysedPipelines = new Map(),
): CombinedStep {
  const pipelines = pipelinesOf(ranks, parts);
  const chained = pipelines.map((pipeline) => chain(streams, stages, pipeline, analysed.get(keyOf(pipeline)) ?? null));
  const firstRanks = pipelines.map(([first]) => first.rank);
  // What the first rank says of a connection counts: ranks may find out at different steps.
  const connections = chained.map((one) => one.connections).reduceRight(mergeListing);
  const widened = chained.filter((one) => !haveSameNames(one.connections, connections)).length;
  if (widened * connections.length * (MEASURES.length + streams ** 2) > MAX_WIDENED)
    throw new RangeError(`${widened} ranks ran different ones of ${connections.length} connections: too much to be put together`);
  const reports = chained.map((one) => widenReport(one.report, one.connections, connections, streams));
  const report = reduce({ connections, streams }, firstRanks, reports);
  return { report, connections, tokensDiffer: chained.some((one) => one.tokensDiffer) };
}

/** The parts by data-parallel pipeline, each by stage. Where no replica was sent it is the rank's position among those of its stage. */
function pipelinesOf(ranks: ReadonlyMap<number, RankPlacement>, parts: readonly Part[]): Part[][] {
  const replicas = new Map<number, number>();
  const counts = new Map<number, number>();
  for (const [rank, { stage, replica }] of [...ranks].sort(([a], [b]) => a - b)) {
    const count = counts.get(stage) ?? 0;
    counts.set(stage, count + 1);
    replicas.set(rank, replica ?? count);
  }
  const pipelines = new Map<number, Part[]>();
  for (const part of [...parts].sort((a, b) => a.stage - b.stage || a.rank - b.rank)) {
    const replica = replicas.get(part.rank)!;
    const pipeline = pipelines.get(replica) ?? [];
    // Two ranks of one stage of the same replica (tensor parallel): the first stands for both.
    if (pipeline.at(-1)?.stage !== part.stage) pipeline.push(part);
    pipelines.set(replica, pipeline);
  }
  return [...pipelines].sort(([a], [b]) => a - b).map(([, pipeline]) => pipeline);
}

const connectionsOf = (parts: readonly Part[]): Listing => parts.flatMap(({ connections }) => connections);

/**
 * @param stages how many the run has
 * @param parts of one pipeline, by stage; one may be missing
 */
function chainOf(stages: number, parts: readonly Part[]): { chained: ChainedStages | null; tokensDiffer: boolean } {
  const matrices = parts.map(({ content }) => content.matrices).filter((one) => one !== null);
  if (stages === 1 || parts.length < stages || matrices.length < stages) return { chained: null, tokensDiffer: false };
  // A stage of which nothing ran has sampled nothing.
  const ran = parts.flatMap((part, i) => (part.connections.length === 0 ? [] : [{ part, ...matrices[i] }]));
  if (ran.length === 0) return { chained: null, tokensDiffer: false };
  const [{ part, positions }] = ran;
  const { tokens } = part.content;
  const connections = connectionsOf(parts);
  const same = ran.every((one) => one.part.content.tokens === tokens && `${one.positions}` === `${positions}`);
  if (tokens === null || !same || connections.length * tokens * part.streams ** 2 > MAX_VALUES)
    return { chained: null, tokensDiffer: true };
  const header = { run: '', streams: part.streams, tokens, connections };
  return { chained: { header, sample: chainSamples(matrices, ran) }, tokensDiffer: false };
}

/**
 * The stages as one model where their matrices are all there and of the same tokens, else each by itself.
 * @param streams, stages as for `combine`
 * @param parts as for `chainOf`
 * @param analysed the report of the stages as one model, where it was made before
 * @throws RangeError where an array does not fit its connections
 */
function chain(streams: number, stages: readonly Listing[], parts: readonly Part[], analysed: StepReport | null): CombinedStep {
  if (analysed !== null) return { report: analysed, connections: connectionsOf(parts), tokensDiffer: false };
  const { chained, tokensDiffer } = chainOf(stages.length, parts);
  if (chained !== null) {
    const { header, sample } = chained;
    return { report: analyse(header, sample), connections: header.connections, tokensDiffer };
  }
  const [{ content, connections }] = parts;
  if (stages.length === 1 && parts.length === 1) return { report: content.report, connections, tokensDiffer };
  return { ...sideBySide(streams, stages, parts), tokensDiffer };
}

/** @param ran those of which something ran, at least one */
function chainSamples(all: readonly Matrices[], ran: readonly Matrices[]): StepSample {
  const samples = ran.map(({ sample }) => sample);
  return {
    ...combineScalars(all.map(({ sample }) => sample)),
    memory: chainMemory(all.map(({ sample }) => sample.memory)),
    mappings: concat(samples.map((sample) => sample.mappings)),
    ...mapObservations((key) => {
      const arrays = samples.map((sample) => sample[key]);
      return arrays.every((array) => array !== null) ? concat(arrays) : null;
    }),
  };
}

function concat(arrays: readonly Float32Array[]): Float32Array {
  const joined = new Float32Array(arrays.reduce((sum, array) => sum + array.length, 0));
  let at = 0;
  for (const array of arrays) {
    joined.set(array, at);
    at += array.length;
  }
  return joined;
}

/** Stages whose products cannot be formed: each connection's own measures, NaN for what is over the depth or missing. */
function sideBySide(streams: number, stages: readonly Listing[], parts: readonly Part[]): Pick<CombinedStep, 'report' | 'connections'> {
  const byStage = new Map(parts.map((part) => [part.stage, part]));
  const listings = stages.map((listing, stage) => byStage.get(stage)?.connections ?? listing);
  const connections = listings.flat();
  const layers = connections.length;
  const size = streams ** 2;
  const measures = new Float32Array(MEASURES.length * layers).fill(Number.NaN);
  const mapping = new Float32Array(layers * size).fill(Number.NaN);
  const nonfinite = new Float64Array(layers);
  let at = 0;
  listings.forEach((listing, stage) => {
    const report = byStage.get(stage)?.content.report;
    const own = listing.length;
    const start = at;
    at += own;
    if (report === undefined || own === 0) return;
    MEASURES.forEach(({ key }, m) => {
      if (!OVER_DEPTH.includes(key)) measures.set(report.measures.subarray(m * own, (m + 1) * own), m * layers + start);
    });
    mapping.set(report.mapping, start * size);
    nonfinite.set(report.nonfinite, start);
  });
  const reports = parts.map(({ content }) => content.report);
  const memory = reports.length === 1 ? null : chainMemory(reports.map((report) => report.memory));
  const known = memory?.connections.length === MEMORY_KINDS.length * layers ? memory : null;
  return { report: { ...combineScalars(reports), memory: known, compositeGain: null, measures, mapping, nonfinite }, connections };
}

/** Stages lie on machines of their own: bytes add up. */
function chainMemory(parts: readonly (MemorySample | null)[]): MemorySample | null {
  if (!parts.every((part) => part !== null)) return null;
  const layers = parts.map((part) => part.connections.length / MEMORY_KINDS.length);
  const connections = new Float64Array(parts.reduce((sum, part) => sum + part.connections.length, 0));
  const totals = new Map<string, number>();
  let at = 0;
  for (let k = 0; k < MEMORY_KINDS.length; k++) {
    parts.forEach((part, i) => {
      connections.set(part.connections.subarray(k * layers[i], (k + 1) * layers[i]), at);
      at += layers[i];
    });
  }
  for (const part of parts) for (const [kind, bytes] of part.totals) totals.set(kind, (totals.get(kind) ?? 0) + bytes);
  return { connections, totals };
}
