/** One rank's part of a step, what both forms of it (matrices, measures) have of its metadata, and the arrays of one with matrices. */

import { isSameInfo, type Listing } from '../../src/telemetry/listing.ts';
import type { StepReport } from '../../src/telemetry/report.ts';
import { type ConnectionInfo, MEMORY_KINDS, type MemorySample, type StepSample } from '../../src/telemetry/sample.ts';
import { fromWire, type SentNumber } from '../../src/telemetry/wire.ts';
import { addListed, type BodyCounts } from './bodyLimits.ts';
import type { SentListing, SentPosition, StepMetadata } from './schema.ts';

/** The numbers of a step besides its connections; the same in a StepSample. */
export type Scalars = Pick<StepReport, 'step' | 'time' | 'stepSeconds' | 'loss' | 'gradientNorm' | 'learningRate' | 'monitor'>;

/** Which process of a training speaks, with the defaults of a training of one process. */
export interface RankPosition {
  /** Name of the attempt; null: not sent, so that a step back begins a new one. */
  attempt: string | null;
  /** Number of the process, from 0. */
  rank: number;
  /** How many processes there are, as far as this one knows. */
  worldSize: number;
  /** Which part of the depth it holds (pipeline parallel), from 0 below `stages`. */
  stage: number;
  stages: number;
  /** Which copy of the model it belongs to (data parallel); null: by the order of the ranks. */
  replica: number | null;
}

/** One rank's part of one step: of its own connections only. */
export interface Part extends RankPosition {
  connections: Listing;
  /** n; of no meaning where it has no connections. */
  streams: number;
  step: number;
  /** Bytes it holds, about. */
  size: number;
  content: PartContent;
}
export interface PartContent {
  /** Of its own connections only. */
  report: StepReport;
  /** S, the tokens that were sampled; null: measures were sent, not matrices. */
  tokens: number | null;
  /** What the stages of a pipeline are chained by; null where there is one stage, or measures were sent. */
  matrices: Matrices | null;
}
/** `positions` of the sampled tokens, null where not sent. */
export interface Matrices {
  sample: StepSample;
  positions: readonly number[] | null;
}

/** null: not given. */
export const optionalNumber = (value: SentNumber | undefined): number | null => (value === undefined ? null : fromWire(value));

/** What was sent, with the defaults of openapi.yaml. */
export function rankPositionOf(sent: SentPosition): RankPosition {
  const { attempt = null, rank = 0, world_size: worldSize = rank + 1, stage = 0, stages = 1, replica = null } = sent;
  return { attempt, rank, worldSize, stage, stages, replica };
}

/** [L]; of kind hc where nothing else was sent. */
export const connectionsOf = ({ order, kinds, conventions, bounded }: SentListing): ConnectionInfo[] =>
  order.map((name, l) => {
    const bound = bounded?.[l];
    return { name, kind: kinds?.[l] ?? 'hc', convention: conventions?.[l] ?? null, ...(bound == null ? {} : { bounded: bound }) };
  });

/** A part of what was sent. @param connections as `listConnections` has them. @param streams n */
export const partOf = (step: StepMetadata, connections: Listing, streams: number, content: PartContent): Part => ({
  ...rankPositionOf(step),
  connections,
  streams,
  step: step.step,
  size: sizeOf(content, connections.length),
  content,
});

/** [L]; the very list of the step before where that is the same, so that a body of many steps has each once. @throws FieldError 413 */
export function listConnections(step: StepMetadata, before: Part | undefined, counts: BodyCounts): Listing {
  const own = connectionsOf(step);
  const known = before?.connections;
  if (known?.length === own.length && known.every((one, l) => isSameInfo(one, own[l]))) return known;
  return own.map((one) => {
    const info = counts.infos.get(one.name);
    if (info !== undefined && isSameInfo(info, one)) return info;
    addListed(counts);
    counts.infos.set(one.name, one);
    return one;
  });
}

/** Of a part itself, its objects and the heads of its arrays: 1.7 kB were measured of one connection. */
const BYTES_PER_PART = 2048;
/** Of a connection besides its measures: nonfinite values, memory, its name. */
const BYTES_PER_CONNECTION = 8 + 8 * MEMORY_KINDS.length + 128;

function sizeOf({ report, matrices }: PartContent, layers: number): number {
  const sample = matrices?.sample;
  const arrays = [report.measures, report.mapping, sample?.mappings, ...OBSERVATION_KEYS.map((key) => sample?.[key])];
  return arrays.reduce((sum, array) => sum + (array?.byteLength ?? 0), BYTES_PER_PART + layers * BYTES_PER_CONNECTION);
}

/** 32 bits of the loss and the measures (FNV-1a by words): the same part has the same, another one hardly ever. */
export function markOf({ content: { report } }: Part): number {
  const { measures, loss } = report;
  const words = new Uint32Array(measures.buffer, measures.byteOffset, measures.length);
  let mark = 0x811c9dc5;
  const add = (word: number) => {
    mark = Math.imul(mark ^ word, 0x01000193);
  };
  for (const word of new Uint32Array(new Float64Array([loss ?? Number.NEGATIVE_INFINITY]).buffer)) add(word);
  for (const word of words) add(word);
  return mark;
}

/** Those that were not sent are null, a duration NaN, a counter 0. @param now for a step that does not say when it was, ms since 1970 */
export function sentScalars(step: StepMetadata, now: number): Scalars {
  const { overhead_seconds: overheadSeconds = 0, samples_dropped: samplesDropped = 0, errors = 0 } = step;
  return {
    step: step.step,
    time: step.time ?? now,
    stepSeconds: optionalNumber(step.step_seconds) ?? Number.NaN,
    loss: optionalNumber(step.loss),
    gradientNorm: optionalNumber(step.gradient_norm),
    learningRate: optionalNumber(step.learning_rate),
    monitor: { overheadSeconds, samplesDropped, errors },
  };
}

/** null: nothing was sent of it. @param perConnection [MEMORY_KINDS.length, L], bytes; null: all NaN. @param layers L */
export function memoryOf({ memory }: StepMetadata, perConnection: Float32Array | null, layers: number): MemorySample | null {
  if (memory === undefined && perConnection === null) return null;
  const connections = new Float64Array(MEMORY_KINDS.length * layers).fill(Number.NaN);
  if (perConnection !== null) connections.set(perConnection);
  return { connections, totals: new Map(Object.entries(memory ?? {})) };
}

/** The arrays of a sample besides its mappings (what they are: src/telemetry/sample.ts), each a tensor of the wire, @ before its key. */
const SHAPES = {
  logits: (layers: number, tokens: number, n: number) => [layers, tokens, n, n],
  grams: (layers: number, tokens: number, n: number) => [layers, tokens, n, n],
  inputSquares: (layers: number, tokens: number) => [layers, tokens],
  gradientGains: (layers: number) => [layers],
  logitGradients: (layers: number) => [layers],
};
type ObservationKey = keyof typeof SHAPES;

export const OBSERVATION_KEYS = Object.keys(SHAPES) as ObservationKey[];

/** In row-major order. @param layers L. @param tokens S. @param n streams */
export const observationShape = (key: ObservationKey, layers: number, tokens: number, n: number): number[] =>
  SHAPES[key](layers, tokens, n);

/** All of them, each as `of` gives it. */
export const mapObservations = (of: (key: ObservationKey) => Float32Array | null): Pick<StepSample, ObservationKey> =>
  Object.fromEntries(OBSERVATION_KEYS.map((key) => [key, of(key)])) as Pick<StepSample, ObservationKey>;
