/** One rank's part of a step, what both forms of it (matrices, measures) have of its metadata, and the arrays of one with matrices. */
import type { StepReport } from '../../src/telemetry/report.ts';
import { type ConnectionInfo, MEMORY_KINDS, type MemorySample, type StepSample } from '../../src/telemetry/sample.ts';
import { fromWire, type SentNumber } from '../../src/telemetry/wire.ts';
import type { Listing, SentPosition, StepMetadata } from './schema.ts';

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
  connections: ConnectionInfo[];
  streams: number;
  step: number;
  /** Bytes it holds, about. */
  size: number;
  content: Matrices | { report: StepReport };
}
/** `tokens` S sampled tokens; `positions`: which, null where not sent. */
export interface Matrices {
  sample: StepSample;
  tokens: number;
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
export const connectionsOf = ({ order, kinds, conventions }: Listing): ConnectionInfo[] =>
  order.map((name, l) => ({ name, kind: kinds?.[l] ?? 'hc', convention: conventions?.[l] ?? null }));

/** A part of what was sent. @param streams n. @param size bytes it holds, about */
export const partOf = (step: StepMetadata, streams: number, size: number, content: Part['content']): Part => ({
  ...rankPositionOf(step),
  connections: connectionsOf(step),
  streams,
  step: step.step,
  size,
  content,
});

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
  return { connections, totals: memory ?? {} };
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
