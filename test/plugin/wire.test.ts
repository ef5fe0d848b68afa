/** What travels: what is sent comes in, and what does not fit is refused with its reason. */
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeSteps } from '../../plugin/wire/decode.ts';
import { encodeBatch, encodeStep } from '../../plugin/wire/encode.ts';
import { writeSafetensors } from '../../plugin/wire/safetensors.ts';
import { compileSchemas } from '../../plugin/wire/schema.ts';
import { analyse } from '../../src/telemetry/analyse.ts';
import { mutate } from '../bench/mutate.ts';
import { testHeader, testSample } from '../support/samples.ts';
import { json, start } from '../support/service.ts';
import { bodyOf, send, sendJson, sendState, sendSteps } from '../support/wire.ts';

const header = testHeader('sent', 4, 4, 8);
const schemas = compileSchemas();
const BATCH = 'application/vnd.gainwatch.batch';
const STEP = 'application/vnd.gainwatch.step';

describe('a body', () => {
  test('a sample that is sent is the sample that comes in', () => {
    const sample = testSample(header, 7, { loss: Number.NaN, gradientNorm: null });
    const [part] = decodeSteps(schemas, BATCH, encodeBatch([encodeStep(header, 'a', sample)]), 0);
    expect(part.content).toEqual({ report: analyse(header, sample), tokens: 8, matrices: null });
    const [staged] = decodeSteps(schemas, STEP, bodyOf(header, sample, { stages: '2', stage: '0' }), 0);
    expect(staged.content).toEqual({ report: analyse(header, sample), tokens: 8, matrices: { sample, positions: null } });
    expect(part).toMatchObject({ attempt: 'a', rank: 0, stage: 0, stages: 1, step: 7, connections: header.connections, streams: 4 });
  });

  test('a matrix without tokens holds for all of them', () => {
    const one = { shape: [2, 2], values: Float32Array.of(1, 2, 3, 4) };
    const many = { shape: [3, 2, 2], values: Float32Array.from({ length: 12 }, (_, k) => k) };
    const tensors = new Map(Object.entries({ a: one, b: many }));
    const body = writeSafetensors({ metadata: { version: '1', step: '1', order: '["a","b"]', stages: '2', stage: '0' }, tensors });
    const [part] = decodeSteps(schemas, STEP, body, 0);
    expect([...part.content.matrices!.sample.mappings.subarray(0, 12)]).toEqual([1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4]);
  });
});

describe('what does not fit is refused with the field, the rule and the value', () => {
  const order = header.connections.map((connection) => connection.name);
  const BARE = { kinds: undefined, conventions: undefined, bounded: undefined };
  test.each([
    ['step', 'must be integer', { step: '1.5' }],
    ['step', 'must be given', { step: undefined }],
    ['version', 'must be given', { version: undefined }],
    ['version', 'must be 1', { version: '2' }],
    ['rank', 'must be below world_size (2)', { rank: '2', world_size: '2' }],
    ['stage', 'must be below stages (1)', { stage: '1', stages: '1' }],
    ['kinds', 'must have one entry per connection of order (4)', { kinds: '["hc"]' }],
    ['tokens', 'must name as many positions as the tensors have (8)', { tokens: '[1,2]' }],
    ['order.0', 'must match pattern', { order: '["@a"]' }],
    ['order', 'must have each name once', { order: '["__proto__","__proto__"]', ...BARE }],
    ['order', 'must NOT have duplicate items', { order: '["a","a"]', ...BARE }],
    ['__metadata__.order', 'half of a surrogate pair', { order: '["\\ud800"]', ...BARE }],
    ['__metadata__.order', 'at most 32 lists', { order: '['.repeat(1000) }],
    ['__metadata__.memory', 'must have each name once', { memory: '{"own":1,"own":2}' }],
    ['loss', 'must be one of number', { loss: '1e999' }],
    ['errors', 'must be integer', { errors: '1e999' }],
    ['tokens.0', 'must be <= 1000000000000', { tokens: '[1e300]' }],
    ['more', 'is in order and must be among the tensors', { order: JSON.stringify([...order, 'more']), ...BARE }],
    [order[3], 'must be one of order', { order: JSON.stringify(order.slice(0, 3)), ...BARE }],
    ['colour', 'is not known here', { colour: '"red"' }],
    ['loss', 'must be one of number, NaN, +Inf, -Inf, Infinity, -Infinity', { loss: 'low' }],
  ])('%s %s', async (field, rule, metadata) => {
    const service = await start();
    const { status, answer } = await sendSteps(service, 'sent', [bodyOf(header, testSample(header, 1), metadata)]);
    expect(status).toBe(400);
    expect(answer.error?.field).toBe(field);
    expect(answer.error?.rule).toContain(rule);
    expect(await json(service, 'api/v1/runs')).toEqual([]);
  });

  test.each([
    ['name of the run', 400, 'run', () => ['runs/-x/steps', '{}', { 'Content-Type': 'application/json' }]],
    ['content type', 415, 'Content-Type', () => ['runs/a/steps', 'x', { 'Content-Type': 'text/plain' }]],
    ['JSON', 400, 'body', () => ['runs/a/steps', '{', { 'Content-Type': 'application/json' }]],
    ['gzip', 400, 'body', () => ['runs/a/steps', 'nothing packed', { 'Content-Encoding': 'gzip', 'Content-Type': BATCH }]],
    ['encoding', 415, 'Content-Encoding', () => ['runs/a/steps', 'x', { 'Content-Encoding': 'zstd', 'Content-Type': BATCH }]],
    ['size', 413, 'body', () => ['runs/a/steps', Buffer.alloc(2 ** 24 + 1), { 'Content-Type': BATCH }]],
    ['version', 400, 'Gainwatch-Version', () => ['runs/a/steps', '{}', { 'Gainwatch-Version': '2', 'Content-Type': 'application/json' }]],
    ['empty batch', 400, 'body', () => ['runs/a/steps', '', { 'Content-Type': BATCH }]],
  ] as [string, number, string, () => [string, string | Buffer, Record<string, string>]][])('%s: %i', async (_, status, field, of) => {
    const service = await start();
    const sent = await send(service, ...of());
    expect(sent.status).toBe(status);
    expect(sent.answer.error).toMatchObject({ field, rule: expect.any(String) });
  });

  test.each([
    [
      'measures.forwardGain.0',
      'must be one of null, number, NaN, +Inf',
      sendJson,
      { step: 1, order: ['a'], measures: { forwardGain: ['x'] } },
    ],
    ['state', 'must be given', sendState, {}],
    ['streams', 'must be given', sendState, { state: 'open' }],
  ])('%s: %s', async (field, rule, sendBody, body) => {
    const { status, answer } = await sendBody(await start(), 'a', body);
    expect(status).toBe(400);
    expect(answer.error).toMatchObject({ field, rule: expect.stringContaining(rule) });
  });

  test('a packed bomb costs its limit and no more', async () => {
    const service = await start();
    const headers = { 'Content-Encoding': 'gzip', 'Content-Type': BATCH };
    const sent = await send(service, 'runs/a/steps', gzipSync(Buffer.alloc(2 ** 28)), headers);
    expect(sent.status).toBe(413);
  });

  test('a rank that is refused is not waited for', async () => {
    const service = await start();
    await sendJson(service, 'a', { step: 1, attempt: 'x', order: ['a'] });
    expect((await sendJson(service, 'a', { step: 2, attempt: 'x', order: ['a'], streams: 2, rank: 1, world_size: 2 })).status).toBe(409);
    expect(await sendJson(service, 'a', { step: 2, attempt: 'x', order: ['a'] })).toMatchObject({ status: 200, answer: { accepted: 1 } });
    expect(await (await fetch(`${service.url}metrics`)).text()).toContain('mhc_ingest_stragglers_total{run="a"} 0');
  });

  test('another n in the same attempt, and more runs than there is place for', async () => {
    const service = await start();
    await sendJson(service, 'a', { step: 1, attempt: 'x', order: ['a'] });
    expect((await sendJson(service, 'a', { step: 2, attempt: 'x', order: ['b'], streams: 2 })).status).toBe(409);
    for (let i = 0; i < 63; i++) await sendJson(service, `run${i}`, { step: 1, order: ['a'] });
    const { status, answer } = await sendJson(service, 'more', { step: 1, order: ['a'] });
    expect(status).toBe(429);
    expect(answer.error?.rule).toContain('64');
    const metrics = await (await fetch(`${service.url}metrics`)).text();
    expect(metrics).toContain('mhc_ingest_refused_total{status="429"} 1');
    expect(metrics).toContain('mhc_ingest_refused_total{status="409"} 1');
  });
});

describe('malformed bodies', () => {
  const small = testHeader('small', 1, 1, 1);
  const bodies = [bodyOf(header, testSample(header, 1)), bodyOf(small, testSample(small, 1))];
  const spoilt = fc
    .tuple(fc.constantFrom(...bodies), fc.infiniteStream(fc.nat()))
    .map(([body, numbers]) => mutate(body, (below) => numbers.next().value % below));

  test('law: each is still a step, or refused with a reason', () => {
    fc.assert(
      fc.property(spoilt, (body) => {
        try {
          expect(decodeSteps(schemas, 'application/vnd.gainwatch.step', body, 0)).toHaveLength(1);
        } catch (error) {
          expect(error).toMatchObject({ field: expect.any(String), rule: expect.stringMatching(/./), status: 400 });
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('each request has its answer with a reason, and nothing stays', async () => {
    const service = await start();
    await fc.assert(
      fc.asyncProperty(spoilt, async (body) => {
        const headers = { 'Content-Type': 'application/vnd.gainwatch.step' };
        const { status, answer } = await send(service, 'runs/fuzzed/steps', body, headers);
        if (status === 200) return; // it still was a step
        expect([400, 409, 413, 415, 429]).toContain(status);
        expect(answer.error).toMatchObject({ field: expect.any(String), rule: expect.stringMatching(/./) });
        expect(answer.error).toHaveProperty('value');
      }),
      { numRuns: 200 },
    );
    expect(service.problems).toEqual([]);
  });
});
