/** The thread that reads bodies and analyses matrices: what it gives back, and what its death costs. */
import { expect, onTestFinished, test } from 'vitest';
import { createAnalyst } from '../../dist/plugin/ingest/analyst.js';
import { chainedStages, combine } from '../../plugin/ingest/combine.ts';
import { decodeSteps } from '../../plugin/wire/decode.ts';
import { encodeBatch } from '../../plugin/wire/encode.ts';
import { compileSchemas } from '../../plugin/wire/schema.ts';
import { analyse } from '../../src/telemetry/analyse.ts';
import { testHeader, testSample } from '../support/samples.ts';
import { bodyOf, partOf } from '../support/wire.ts';

const BATCH = 'application/vnd.gainwatch.batch';
const header = testHeader('sent', 6, 4, 8);

function begin(...limits: Parameters<typeof createAnalyst>) {
  const analyst = createAnalyst(...limits);
  onTestFinished(() => analyst.close());
  return analyst;
}

test('gives what is read and analysed here, with the kinds of memory that others name', async () => {
  const memory = { connections: new Float64Array(30).fill(1), totals: new Map(Object.entries({ constructor: 1, to_string: 2 })) };
  const bodies = [1, 2].map((step) =>
    bodyOf(header, testSample(header, step, { memory }), { stages: '2', stage: '0', tokens: '[0,1,2,3,4,5,6,7]' }),
  );
  const analyst = begin();
  const parts = await analyst.decode(BATCH, encodeBatch(bodies), 5);
  expect(parts).toEqual(decodeSteps(compileSchemas(), BATCH, encodeBatch(bodies), 5));
  expect(await analyst.decodeState(Buffer.from('{"state":"closed"}'))).toEqual({ state: 'closed' });
});

test('refuses as it is refused here', async () => {
  const analyst = begin();
  const body = Buffer.from('{"step":1,"order":["a"],"errors":1e999}');
  await expect(analyst.decode('application/json', body, 0)).rejects.toMatchObject({ field: 'errors', status: 400, value: 'Infinity' });
  await expect(analyst.decode('text/plain', body, 0)).rejects.toMatchObject({ field: 'Content-Type', status: 415 });
  await expect(analyst.decodeState(body)).rejects.toMatchObject({ field: 'state', rule: 'must be given' });
});

test('a body that is too much for the thread is refused, what waits behind it is to come again, and the next is taken', async () => {
  const analyst = begin(24);
  const small = () => Buffer.from('{"step":1,"order":["a"]}');
  expect(await analyst.decode('application/json', small(), 0)).toHaveLength(1);
  const large = Buffer.from(`[${'1.5,"",'.repeat(2 ** 21)}0]`);
  const [tooMuch, behind] = await Promise.allSettled([
    analyst.decode('application/json', large, 0),
    analyst.decode('application/json', small(), 0),
  ]);
  expect(tooMuch).toMatchObject({ reason: { field: 'body', status: 413 } });
  expect(behind).toMatchObject({ reason: { field: 'body', status: 503 } });
  expect(await analyst.decode('application/json', small(), 0)).toHaveLength(1);
});

test('more than can wait is to come again', async () => {
  const analyst = begin();
  const bodies = Array.from({ length: 9 }, () => Buffer.alloc(2 ** 24, '['));
  const results = await Promise.allSettled(bodies.map((body) => analyst.decode('application/json', body, 0)));
  const statuses = results.map((result) => (result as { reason: { status: number } }).reason.status);
  expect(statuses).toEqual([...Array(8).fill(400), 503]);
});

test('what it worked on when it is closed is to come again', async () => {
  const analyst = begin();
  const pending = analyst.decode('application/json', Buffer.from('{"step":1,"order":["a"]}'), 0);
  await Promise.all([expect(pending).rejects.toMatchObject({ status: 503 }), analyst.close()]);
});

test('the stages of a step, analysed there as one model, are the step that is put together here', async () => {
  const sample = testSample(header, 1);
  const stages = [partOf(header, sample, 0, 2), partOf(header, sample, 2, 6)];
  const schemas = compileSchemas();
  const parts = stages.flatMap((own, stage) =>
    decodeSteps(
      schemas,
      'application/vnd.gainwatch.step',
      bodyOf(own.header, own.sample, { rank: String(stage), world_size: '2', stage: String(stage), stages: '2' }),
      0,
    ),
  );
  const listings = stages.map((own) => own.header.connections);
  const ranks = new Map(parts.map((part) => [part.rank, part]));
  const analyst = begin();
  const whole = chainedStages(listings, ranks, parts);
  expect([...whole.keys()]).toEqual(['0,1']);
  const analysed = new Map([['0,1', await analyst.analyse(whole.get('0,1')!.header, whole.get('0,1')!.sample)]]);
  expect(chainedStages(listings, ranks, parts, analysed).size).toBe(0);
  const step = combine(header.streams, listings, ranks, parts, analysed);
  expect(step).toEqual(combine(header.streams, listings, ranks, parts));
  expect(step.report.measures).toEqual(analyse(header, sample).measures);
  // Two parts of one body's size are more than one body may have.
  const wide = parts.map((part) => ({ ...part, content: { ...part.content, tokens: 2 ** 20 } }));
  expect(chainedStages(listings, ranks, wide).size).toBe(0);
  expect(combine(header.streams, listings, ranks, wide)).toMatchObject({ tokensDiffer: true, report: { compositeGain: null } });
  // Nothing to analyse where one is missing, and for a single stage.
  expect(chainedStages(listings, ranks, parts.slice(0, 1)).size).toBe(0);
  expect(chainedStages([header.connections], ranks, parts.slice(0, 1)).size).toBe(0);
});
