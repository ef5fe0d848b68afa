/** Bodies that cost more than they weigh: those that once took gigabytes or the process, and the costliest that are allowed. */
import { encodeBatch } from '../../plugin/wire/encode.ts';
import { type WireTensor, writeSafetensors } from '../../plugin/wire/safetensors.ts';
import { MEASURES } from '../../src/telemetry/catalogue.ts';

export interface CostlyBody {
  what: string;
  type: string;
  body: Buffer;
  /** Of the answer. */
  status: number;
  /** Of a refusal: a part of its rule. */
  rule?: string;
}

const MAX_BYTES = 16 * 2 ** 20;
const STEP = 'application/vnd.gainwatch.step';
const BATCH = 'application/vnd.gainwatch.batch';
const JSON_TYPE = 'application/json';

const namesOf = (count: number) => Array.from({ length: count }, (_, l) => l.toString(36));
const zeros = (shape: number[]): WireTensor => ({ shape, values: new Float32Array(shape.reduce((a, b) => a * b, 1)) });

/** One step of zeros; all but the first connection have one matrix for all tokens, or each token its own. */
function matrices(layers: number, tokens: number, n: number, repeated: boolean, step = 1, more: Record<string, number[]> = {}): Buffer {
  const names = namesOf(layers);
  const tensors = new Map(names.map((name, l) => [name, zeros(repeated && l > 0 ? [n, n] : [tokens, n, n])]));
  for (const [name, shape] of Object.entries(more)) tensors.set(name, zeros(shape));
  return writeSafetensors({ metadata: { version: '1', attempt: 'a', step: String(step), order: JSON.stringify(names) }, tensors });
}

/** One step of 64 connections that each have other matrices of 32 streams, as many as are allowed. */
function wide(): Buffer {
  const n = 32;
  const values = (l: number) =>
    Float32Array.from({ length: 63 * n * n }, (_, k) => (k % (n + 1) === 0 ? 0.5 : 0) + ((k * 7919 + l * 104_729) % 1009) / (1009 * n));
  const names = namesOf(64);
  const tensors = new Map(names.map((name, l): [string, WireTensor] => [name, { shape: [63, n, n], values: values(l) }]));
  return writeSafetensors({ metadata: { version: '1', attempt: 'a', step: '1', order: JSON.stringify(names) }, tensors });
}

function jsonSteps(count: number, fields: (i: number) => object): Buffer {
  return Buffer.from(JSON.stringify(Array.from({ length: count }, (_, i) => ({ step: i + 1, attempt: 'a', ...fields(i) }))));
}

/** As many steps of `fields` as a body has place for. */
function fullBody(fields: object): Buffer {
  const size = JSON.stringify({ step: 1000, attempt: 'a', ...fields }).length + 1;
  return jsonSteps(Math.min(1024, Math.floor(MAX_BYTES / size)), () => fields);
}

/** Made when asked for. */
export const COSTLY: Record<string, () => CostlyBody> = {
  repeated: () => ({
    what: 'one matrix for all of 4096 tokens, in 1024 connections',
    type: STEP,
    body: matrices(1024, 4096, 8, true),
    status: 413,
    rule: 'must have at most 4194304 values of H_res',
  }),
  many: () => ({
    what: 'steps in JSON of many connections and few bytes',
    type: JSON_TYPE,
    body: fullBody({ streams: 8, order: namesOf(4096) }),
    status: 413,
    rule: 'must have at most 131072 connections',
  }),
  down: () => ({
    what: 'steps that count down',
    type: JSON_TYPE,
    body: jsonSteps(1024, (i) => ({ step: 1024 - i, attempt: undefined, order: namesOf(128) })),
    status: 200,
  }),
  nested: () => ({
    what: 'lists in lists',
    type: JSON_TYPE,
    body: Buffer.alloc(MAX_BYTES, '['),
    status: 400,
    rule: 'must have at most 32 lists and objects in one another',
  }),
  numbers: () => ({
    what: 'a list of numbers where a step should be',
    type: JSON_TYPE,
    body: Buffer.from(`[${'1.5,"",'.repeat(Math.floor(MAX_BYTES / 7) - 1)}0]`),
    status: 400,
    rule: 'must have 1 to 1024 steps',
  }),
  'allowed: repeated': () => ({
    what: 'one matrix for all of 4096 tokens, as many as are allowed',
    type: STEP,
    body: matrices(64, 4096, 4, true),
    status: 200,
  }),
  'allowed: streams': () => ({
    what: 'the same with eight streams',
    type: STEP,
    body: matrices(16, 4096, 8, true),
    status: 200,
  }),
  'allowed: many streams': () => ({
    what: 'matrices of 32 streams, as many as are allowed',
    type: STEP,
    body: wide(),
    status: 200,
  }),
  'allowed: matrices': () => ({
    what: 'a full batch of matrices',
    type: BATCH,
    body: encodeBatch(Array.from({ length: 250 }, (_, i) => matrices(16, 64, 4, false, i + 1))),
    status: 200,
  }),
  'allowed: observed': () => ({
    what: 'matrices with logits and Gram matrices',
    type: STEP,
    body: matrices(20, 4096, 4, false, 1, { '@logits': [20, 4096, 4, 4], '@grams': [20, 4096, 4, 4], '@inputSquares': [20, 4096] }),
    status: 200,
  }),
  'allowed: connections': () => ({
    what: 'steps in JSON with as many connections as are allowed',
    type: JSON_TYPE,
    body: jsonSteps(32, () => ({ order: namesOf(4096) })),
    status: 200,
  }),
  'allowed: steps': () => ({
    what: '1024 steps in JSON with as many connections as are allowed',
    type: JSON_TYPE,
    body: jsonSteps(1024, () => ({ order: namesOf(128) })),
    status: 200,
  }),
  'allowed: measures': () => ({
    what: 'the same with all measures',
    type: JSON_TYPE,
    body: jsonSteps(1024, () => ({
      order: namesOf(128),
      measures: Object.fromEntries(MEASURES.map(({ key }) => [key, new Array(128).fill(1)])),
    })),
    status: 200,
  }),
};
