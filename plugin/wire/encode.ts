/** A StepSample as a safetensors body of the wire (openapi.yaml), which decode.ts reads back. Sends nothing. */
import { boundOf, MEMORY_KINDS, type RunHeader, type StepSample } from '../../src/telemetry/sample.ts';
import { toWire } from '../../src/telemetry/wire.ts';
import { OBSERVATION_KEYS, observationShape } from './part.ts';
import { type WireTensor, writeSafetensors } from './safetensors.ts';

/** One step as it is sent: a tensor [S, n, n] per connection by its name, and what was observed besides under names with @. */
export function encodeStep(header: RunHeader, attempt: string, sample: StepSample): Buffer {
  const { streams: n, tokens, connections } = header;
  const layers = connections.length;
  const perLayer = tokens * n * n;
  const tensors = new Map<string, WireTensor>();
  connections.forEach(({ name }, l) => {
    tensors.set(name, { shape: [tokens, n, n], values: sample.mappings.subarray(l * perLayer, (l + 1) * perLayer) });
  });
  const add = (name: string, shape: number[], values: Float32Array | null) => {
    if (values !== null) tensors.set(name, { shape, values });
  };
  for (const key of OBSERVATION_KEYS) add(`@${key}`, observationShape(key, layers, tokens, n), sample[key]);
  if (sample.memory !== null) add('@memory', [MEMORY_KINDS.length, layers], Float32Array.from(sample.memory.connections));
  const { overheadSeconds, samplesDropped, errors } = sample.monitor;
  const fields: Record<string, unknown> = {
    version: 1,
    step: sample.step,
    attempt,
    time: sample.time,
    step_seconds: toWire(sample.stepSeconds),
    ...known({ loss: sample.loss, gradient_norm: sample.gradientNorm, learning_rate: sample.learningRate }),
    ...(sample.memory === null ? {} : { memory: Object.fromEntries(sample.memory.totals) }),
    overhead_seconds: overheadSeconds,
    samples_dropped: samplesDropped,
    errors,
    order: connections.map(({ name }) => name),
    kinds: connections.map(({ kind }) => kind),
    conventions: connections.map(({ convention }) => convention),
    ...(connections.some(({ bounded }) => bounded != null) ? { bounded: connections.map(boundOf) } : {}),
  };
  const metadata = Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [key, typeof value === 'string' ? value : JSON.stringify(value)]),
  );
  return writeSafetensors({ metadata, tensors });
}

const known = (values: Record<string, number | null>) =>
  Object.fromEntries(Object.entries(values).flatMap(([key, value]) => (value === null ? [] : [[key, toWire(value)]])));

/** Several bodies in one, each after its length (8 bytes, little-endian). */
export function encodeBatch(bodies: readonly Buffer[]): Buffer {
  return Buffer.concat(
    bodies.flatMap((body) => {
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(BigInt(body.length));
      return [length, body];
    }),
  );
}
