/** A safetensors body → a rank's part of a step, with the matrices of its connections. */
import { analyse } from '../../src/telemetry/analyse.ts';
import { MAX_STREAMS, MAX_TOKENS, MEMORY_KINDS, type StepSample } from '../../src/telemetry/sample.ts';
import { FieldError } from '../fieldError.ts';
import { addStepCounts, type BodyCounts, createBodyCounts } from './bodyLimits.ts';
import { parseJson } from './json.ts';
import { listConnections, mapObservations, memoryOf, OBSERVATION_KEYS, observationShape, type Part, partOf, sentScalars } from './part.ts';
import { readSafetensors, type WireTensor } from './safetensors.ts';
import type { Schemas } from './schema.ts';

/** Those that are texts as they are; all others are JSON, or NaN and the infinities. */
const TEXTS = ['attempt', 'orientation'];

function parseMetadata(metadata: Record<string, string>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(metadata).map(([key, text]) => {
      if (TEXTS.includes(key)) return [key, text];
      return [key, /^\s*[[{"]/.test(text) ? parseJson(`__metadata__.${key}`, Buffer.from(text)) : parseScalar(text)];
    }),
  );
}

function parseScalar(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text; // NaN or an infinity; of all else the schema says what it should have been
  }
}

/**
 * The part, with the report of its own connections.
 * @param now as for `sentScalars`
 * @param before the part before it in the body
 * @param counts of the steps before it in the body
 * @throws FieldError where the body is no safetensors, its metadata and tensors do not fit each other, or they are too many (413)
 */
export function decodeMatrices(schemas: Schemas, body: Buffer, now: number, before?: Part, counts: BodyCounts = createBodyCounts()): Part {
  const { metadata, tensors } = readSafetensors(body);
  const step = schemas.step(parseMetadata(metadata));
  const layers = step.order.length;
  const { streams: n, tokens } = commonShape(step.order, tensors);
  const perLayer = tokens * n * n;
  if (step.tokens !== undefined && step.tokens.length !== tokens && layers > 0) {
    throw new FieldError('tokens', `must name as many positions as the tensors have (${tokens})`, step.tokens.length);
  }
  addStepCounts(counts, layers, layers * perLayer);
  const connections = listConnections(step, before, counts);
  const mappings = new Float32Array(layers * perLayer);
  step.order.forEach((name, l) => {
    copyMappings(tensors.get(name)!, mappings.subarray(l * perLayer, (l + 1) * perLayer), n, step.orientation === 'comb');
  });
  const known = new Set([...OBSERVATION_KEYS.map((key) => `@${key}`), '@memory', ...step.order]);
  for (const name of tensors.keys()) {
    if (!known.has(name))
      throw new FieldError(name === '' ? 'a tensor without a name' : name, 'must be one of order, or begin with @ and be known here', null);
  }
  const extra = (name: string, shape: number[]): Float32Array | null => {
    const tensor = tensors.get(name);
    if (tensor === undefined || (layers === 0 && tensor.values.length === 0)) return null;
    if (`${tensor.shape}` !== `${shape}`) throw new FieldError(`${name}.shape`, `must be [${shape}]`, JSON.stringify(tensor.shape));
    return tensor.values;
  };
  const memory = extra('@memory', [MEMORY_KINDS.length, layers]);
  const sample: StepSample = {
    ...sentScalars(step, now),
    memory: memoryOf(step, memory, layers),
    mappings,
    ...mapObservations((key) => extra(`@${key}`, observationShape(key, layers, tokens, n))),
  };
  const report = analyse({ run: '', streams: n, tokens, connections }, sample);
  const isStage = (step.stages ?? 1) > 1;
  return partOf(step, connections, n, { report, tokens, matrices: isStage ? { sample, positions: step.tokens ?? null } : null });
}

/** n and S, which all connections share; one matrix without tokens fits any. Both 1 without connections. */
function commonShape(order: readonly string[], tensors: ReadonlyMap<string, WireTensor>): { streams: number; tokens: number } {
  let streams: number | null = null;
  let tokens: number | null = null;
  for (const name of order) {
    const shape = tensors.get(name)?.shape;
    if (shape === undefined) throw new FieldError(name, 'is in order and must be among the tensors', null);
    const [rows, columns] = shape.slice(-2);
    if (shape.length < 2 || shape.length > 3 || rows !== columns || rows < 1 || rows > MAX_STREAMS) {
      throw new FieldError(`${name}.shape`, `must be [tokens, n, n] or [n, n] with n from 1 to ${MAX_STREAMS}`, JSON.stringify(shape));
    }
    streams ??= rows;
    if (rows !== streams)
      throw new FieldError(`${name}.shape`, `must have the n of the first connection (${streams})`, JSON.stringify(shape));
    if (shape.length === 2) continue;
    tokens ??= shape[0];
    if (shape[0] !== tokens || tokens < 1 || tokens > MAX_TOKENS) {
      const rule = `must have as many tokens as the other connections, 1 to ${MAX_TOKENS}`;
      throw new FieldError(`${name}.shape`, rule, JSON.stringify(shape));
    }
  }
  return { streams: streams ?? 1, tokens: tokens ?? 1 };
}

/** The matrices of one connection into `out` [S, n, n], rows as destinations. */
function copyMappings({ values }: WireTensor, out: Float32Array, n: number, transposed: boolean): void {
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
