/** The body of a POST → what each rank says of each step, in the pipeline's own terms. Puts nothing together (join.ts does). */
import { MEASURE_INDEX, MEASURES } from '../../src/telemetry/catalogue.ts';
import type { StepReport } from '../../src/telemetry/report.ts';
import { type ConnectionInfo, MEMORY_KINDS, type MemorySample, type StepSample } from '../../src/telemetry/sample.ts';
import { FieldError } from '../fieldError.ts';
import { readSafetensors, type WireTensor } from './safetensors.ts';
import { type Listing, type Place, type Schemas, type SentNumber, type StepJson, type StepMetadata, shown } from './schema.ts';

/** Where a rank stands, with the defaults of a run that has one. */
export interface RankPlace {
  /** null: not said, so that a step back begins a new one. */
  attempt: string | null;
  rank: number;
  worldSize: number;
  stage: number;
  stages: number;
  /** null: by the order of the ranks. */
  replica: number | null;
}

/** One rank's part of one step: of its own connections only. */
export interface Part extends RankPlace {
  connections: ConnectionInfo[];
  streams: number;
  step: number;
  /** Bytes it holds, about. */
  size: number;
  content: Matrices | Measured;
}
/** `tokens` S sampled tokens; `positions`: which, null where not said. */
export interface Matrices {
  sample: StepSample;
  tokens: number;
  positions: readonly number[] | null;
}
export interface Measured {
  report: StepReport;
}

export const STEP_TYPES = ['application/vnd.gainwatch.step', 'application/octet-stream'];
export const BATCH_TYPE = 'application/vnd.gainwatch.batch';
export const CONTENT_TYPES = [...STEP_TYPES, BATCH_TYPE, 'application/json'];
/** Bodies in a batch. */
const BATCH_AT_MOST = 1024;
/** Tokens of a connection. */
const TOKENS_AT_MOST = 4096;
const STREAMS_AT_MOST = 8;

/** @param now when it came, ms since 1970. @throws FieldError with what is wrong; 415 for another content type */
export function decodeSteps(schemas: Schemas, contentType: string, body: Buffer, now: number): Part[] {
  if (contentType === BATCH_TYPE) return splitBatch(body).map((one) => decodeBody(schemas, one, now));
  if (STEP_TYPES.includes(contentType)) return [decodeBody(schemas, body, now)];
  if (contentType === 'application/json') return schemas.stepsJson(parseJson(body)).map((step) => decodeJson(step, now));
  throw new FieldError('Content-Type', `must be one of ${CONTENT_TYPES.join(', ')}`, shown(contentType), 415);
}

export function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw new FieldError('body', `must be JSON: ${(error as Error).message.slice(0, 100)}`, shown(body.toString('utf8', 0, 400)));
  }
}

function splitBatch(body: Buffer): Buffer[] {
  const bodies: Buffer[] = [];
  let at = 0;
  while (at < body.length) {
    if (bodies.length === BATCH_AT_MOST)
      throw new FieldError('body', `must have at most ${BATCH_AT_MOST} steps`, `more, ${body.length} bytes`);
    const left = body.length - at - 8;
    const length = left < 0 ? -1n : body.readBigUInt64LE(at);
    if (length < 0n || length > left) {
      const rule = 'must have as many bytes as the length before it says, 8 bytes of length included';
      throw new FieldError(`body[${bodies.length}]`, rule, `${body.length - at} bytes left`);
    }
    bodies.push(body.subarray(at + 8, at + 8 + Number(length)));
    at += 8 + Number(length);
  }
  if (bodies.length === 0) throw new FieldError('body', 'must have at least one step', '0 bytes');
  return bodies;
}

/** Those that are texts as they are; all others are JSON, or NaN and the infinities. */
const TEXTS = ['attempt', 'orientation'];
const NUMBERS = ['NaN', '+Inf', '-Inf', 'Infinity', '-Infinity'];

function fromText(metadata: Record<string, string>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(metadata).map(([key, text]) => {
      if (TEXTS.includes(key) || NUMBERS.includes(text)) return [key, text];
      try {
        return [key, JSON.parse(text) as unknown];
      } catch {
        return [key, text]; // the schema says what it should have been
      }
    }),
  );
}

function decodeBody(schemas: Schemas, body: Buffer, now: number): Part {
  const { metadata, tensors } = readSafetensors(body);
  const step = schemas.step(fromText(metadata));
  const layers = step.order.length;
  const { streams: n, tokens } = commonShape(step.order, tensors);
  const perLayer = tokens * n * n;
  if (step.tokens !== undefined && step.tokens.length !== tokens) {
    throw new FieldError('tokens', `must name as many positions as the tensors have (${tokens})`, step.tokens.length);
  }
  const mappings = new Float32Array(layers * perLayer);
  step.order.forEach((name, l) => {
    place(tensors.get(name)!, mappings.subarray(l * perLayer, (l + 1) * perLayer), n, step.orientation === 'comb');
  });
  const matrix = [layers, tokens, n, n];
  const known = new Set(['@logits', '@grams', '@inputSquares', '@gradientGains', '@logitGradients', '@memory', ...step.order]);
  for (const name of tensors.keys()) {
    if (!known.has(name))
      throw new FieldError(name === '' ? 'a tensor without a name' : name, 'must be one of order, or begin with @ and be known here', null);
  }
  const extra = (name: string, shape: number[]): Float32Array | null => {
    const tensor = tensors.get(name);
    if (tensor === undefined) return null;
    if (`${tensor.shape}` !== `${shape}`) throw new FieldError(`${name}.shape`, `must be [${shape}]`, JSON.stringify(tensor.shape));
    return tensor.values;
  };
  const memory = extra('@memory', [MEMORY_KINDS.length, layers]);
  const sample: StepSample = {
    ...scalarsOf(step, now),
    memory: memoryOf(step, memory, layers),
    mappings,
    logits: extra('@logits', matrix),
    grams: extra('@grams', matrix),
    inputSquares: extra('@inputSquares', [layers, tokens]),
    gradientGains: extra('@gradientGains', [layers]),
    logitGradients: extra('@logitGradients', [layers]),
  };
  return {
    ...placeOf(step),
    connections: connectionsOf(step),
    streams: n,
    step: step.step,
    size: body.length + mappings.byteLength,
    content: { sample, tokens, positions: step.tokens ?? null },
  };
}

/** n and S, which all connections share; one matrix without tokens fits any. */
function commonShape(order: readonly string[], tensors: ReadonlyMap<string, WireTensor>): { streams: number; tokens: number } {
  let streams: number | null = null;
  let tokens: number | null = null;
  for (const name of order) {
    const shape = tensors.get(name)?.shape;
    if (shape === undefined) throw new FieldError(name, 'is in order and must be among the tensors', null);
    const [rows, columns] = shape.slice(-2);
    if (shape.length < 2 || shape.length > 3 || rows !== columns || rows < 1 || rows > STREAMS_AT_MOST) {
      throw new FieldError(`${name}.shape`, `must be [tokens, n, n] or [n, n] with n from 1 to ${STREAMS_AT_MOST}`, JSON.stringify(shape));
    }
    streams ??= rows;
    if (rows !== streams)
      throw new FieldError(`${name}.shape`, `must have the n of the first connection (${streams})`, JSON.stringify(shape));
    if (shape.length === 2) continue;
    tokens ??= shape[0];
    if (shape[0] !== tokens || tokens < 1 || tokens > TOKENS_AT_MOST) {
      const rule = `must have as many tokens as the other connections, 1 to ${TOKENS_AT_MOST}`;
      throw new FieldError(`${name}.shape`, rule, JSON.stringify(shape));
    }
  }
  return { streams: streams!, tokens: tokens ?? 1 };
}

/** The matrices of one connection into `out` [S, n, n], rows as destinations. */
function place({ values }: WireTensor, out: Float32Array, n: number, transposed: boolean): void {
  for (let at = 0; at < out.length; at += values.length) out.set(values, at);
  if (!transposed) return;
  for (let at = 0; at < out.length; at += n * n) {
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < i; j++) {
        const [a, b] = [at + i * n + j, at + j * n + i];
        [out[a], out[b]] = [out[b], out[a]];
      }
    }
  }
}

const COMPOSITES = ['compositeForwardGain', 'compositeBackwardGain'] as const;

function decodeJson(step: StepJson, now: number): Part {
  const layers = step.order.length;
  const n = step.streams ?? 4;
  const measures = new Float32Array(MEASURES.length * layers).fill(Number.NaN);
  for (const [key, values] of Object.entries(step.measures ?? {})) {
    if (values.length !== layers) {
      throw new FieldError(`measures.${key}`, `must have one value per connection of order (${layers})`, values.length);
    }
    values.forEach((value, l) => {
      measures[MEASURE_INDEX[key as keyof typeof MEASURE_INDEX] * layers + l] = value === null ? Number.NaN : toNumber(value);
    });
  }
  const given = COMPOSITES.flatMap((key) => step.measures?.[key] ?? []).filter((value) => value !== null);
  const largest = given.length === 0 ? null : Math.max(...given.map(toNumber));
  const report: StepReport = {
    ...scalarsOf(step, now),
    memory: memoryOf(step, null, layers),
    compositeGain: numberOf(step.composite_gain) ?? largest,
    measures,
    mapping: new Float32Array(layers * n * n).fill(Number.NaN),
    nonfinite: new Float64Array(layers),
  };
  return {
    ...placeOf(step),
    connections: connectionsOf(step),
    streams: n,
    step: step.step,
    size: measures.byteLength + layers * n * n * 4,
    content: { report },
  };
}

const toNumber = (value: SentNumber): number => Number(typeof value === 'string' ? value.replace(/Inf$/, 'Infinity') : value);
const numberOf = (value: SentNumber | undefined): number | null => (value === undefined ? null : toNumber(value));

export function placeOf({ attempt, rank, world_size, stage, stages, replica }: Place): RankPlace {
  return {
    attempt: attempt ?? null,
    rank: rank ?? 0,
    worldSize: world_size ?? (rank ?? 0) + 1,
    stage: stage ?? 0,
    stages: stages ?? 1,
    replica: replica ?? null,
  };
}

export const connectionsOf = ({ order, kinds, conventions }: Listing): ConnectionInfo[] =>
  order.map((name, l) => ({ name, kind: kinds?.[l] ?? 'hc', convention: conventions?.[l] ?? null }));

function scalarsOf(step: StepMetadata, now: number) {
  return {
    step: step.step,
    time: step.time ?? now,
    stepSeconds: numberOf(step.step_seconds) ?? Number.NaN,
    loss: numberOf(step.loss),
    gradientNorm: numberOf(step.gradient_norm),
    learningRate: numberOf(step.learning_rate),
    monitor: {
      overheadSeconds: step.overhead_seconds ?? 0,
      samplesDropped: step.samples_dropped ?? 0,
      errors: step.errors ?? 0,
    },
  };
}

function memoryOf({ memory }: StepMetadata, perConnection: Float32Array | null, layers: number): MemorySample | null {
  if (memory === undefined && perConnection === null) return null;
  const connections = new Float64Array(MEMORY_KINDS.length * layers).fill(Number.NaN);
  if (perConnection !== null) connections.set(perConnection);
  return { connections, totals: memory ?? {} };
}
