/**
 * Malformed requests by the hundred thousand: `npm run fuzz -- --requests 100000 [--seed N]`. A `gainwatch serve` of its own process
 * gets valid bodies that were spoilt; each must be answered with 4xx and a reason, and memory must not grow. Prints what was answered.
 */
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { encodeBatch, encodeStep } from '../../plugin/wire/encode.ts';
import { seededRandom } from '../../src/model/random.ts';
import { mutate } from './mutate.ts';
import { headerOf, sampleOf } from './samples.ts';
import { startServe } from './serve.ts';

const { values } = parseArgs({ options: { requests: { type: 'string', default: '100000' }, seed: { type: 'string', default: '1' } } });
const requests = Number(values.requests);
const uniform = seededRandom(Number(values.seed));
const random = (below: number) => Math.floor(uniform() * below);

const { ask, memory, hasEnded, stop } = await startServe();

function body(layers: number, streams: number, tokens: number): Buffer {
  const mappings = Float32Array.from({ length: layers * tokens * streams ** 2 }, uniform);
  const inputSquares = Float32Array.from({ length: layers * tokens }, uniform);
  return encodeStep(headerOf('fuzzed', 'hc', layers, streams, tokens), 'a', sampleOf(1, { mappings, inputSquares, time: Date.now() }));
}
const bodies = [body(4, 4, 8), body(1, 1, 1)];
const json = Buffer.from(JSON.stringify({ step: 1, attempt: 'a', rank: 0, loss: 1, order: ['x', 'y'], measures: { forwardGain: [1, 2] } }));
const state = Buffer.from(JSON.stringify({ state: 'open', streams: 4, order: ['x', 'y'], attempt: 'b', rank: 0, world_size: 2 }));

const STEP = 'application/vnd.gainwatch.step';
const STEPS = { method: 'POST', path: 'runs/fuzzed/steps' };
const typed = (type: string) => ({ headers: { 'Content-Type': type } as Record<string, string> });
const KINDS = [
  () => ({ ...STEPS, ...typed(STEP), body: mutate(bodies[random(2)], random) }),
  () => ({
    ...STEPS,
    ...typed('application/vnd.gainwatch.batch'),
    body: mutate(encodeBatch([bodies[0], mutate(bodies[1], random)]), random),
  }),
  () => ({ ...STEPS, ...typed('application/json'), body: mutate(json, random) }),
  () => ({ method: 'PUT', path: 'runs/fuzzed', headers: {}, body: mutate(state, random) }),
  () => ({
    ...STEPS,
    headers: { 'Content-Type': STEP, 'Content-Encoding': 'gzip' },
    body: mutate(gzipSync(bodies[0], { level: 1 }), random),
  }),
  () => ({
    method: 'POST',
    path: `runs/${encodeURIComponent(String(mutate(Buffer.from('fuzzed'), random)))}/steps`,
    headers: {},
    body: json,
  }),
];

const answers = new Map<number, number>();
const wrong: string[] = [];
const sizes: number[] = [];
const WORKERS = 8;
let done = 0;

async function work(): Promise<void> {
  while (done < requests) {
    const number = done++;
    const spoilt = KINDS[random(KINDS.length)]();
    const { status, text } = await ask(spoilt.method, `/api/v1/${spoilt.path}`, spoilt.body, spoilt.headers);
    answers.set(status, (answers.get(status) ?? 0) + 1);
    const reason = /"error":\{"field":"[^"].*"rule":"[^"]/s.test(text);
    // What was spoilt may still be valid: 2xx. 503 says that its other rank is missing.
    const fine = status === 200 || status === 503 || (status >= 400 && status < 500 && reason);
    if (!fine && wrong.length < 20) wrong.push(`${spoilt.method} ${spoilt.path}: ${status} ${text.slice(0, 200)}`);
    if (number % Math.ceil(requests / 20) === 0) {
      sizes.push(memory());
      process.stderr.write(`${number} of ${requests}, ${sizes.at(-1)?.toFixed(0)} MiB\n`);
    }
  }
}

try {
  await Promise.all(Array.from({ length: WORKERS }, work));
  for (const [status, count] of [...answers].sort(([a], [b]) => a - b)) process.stdout.write(`${status}: ${count}\n`);
  process.stdout.write(
    `MiB after the first twentieth, in the middle, at the end: ${[1, 10, 19].map((i) => sizes[i]?.toFixed(0)).join(', ')}\n`,
  );
  for (const line of wrong) process.stdout.write(`wrong: ${line}\n`);
  if (wrong.length > 0 || hasEnded()) process.exitCode = 1;
} finally {
  stop();
}
