/** A step is stored once, in whatever order, batch, attempt or process it comes; one that is refused is not there. */
import fc from 'fast-check';
import Database from 'libsql';
import { expect, test } from 'vitest';
import { handleParts } from '../../plugin/ingest/handleParts.ts';
import { decodeMatrices } from '../../plugin/wire/decodeMatrices.ts';
import { compileSchemas } from '../../plugin/wire/schema.ts';
import type { RunDetail } from '../../src/telemetry/api.ts';
import { temporaryFolder } from '../support/folders.ts';
import { fillDisk, startIngest, startPipeline } from '../support/pipelines.ts';
import { recorded } from '../support/recorded.ts';
import { reportOf } from '../support/reports.ts';
import { testHeader, testSample } from '../support/samples.ts';
import { json, start } from '../support/service.ts';
import { range, stepsIn, storedIn } from '../support/stored.ts';
import { bodyOf, sendJson, sendSteps } from '../support/wire.ts';

const header = testHeader('sent', 3, 4, 4);
const body = (step: number, attempt = 'first', change = {}) => bodyOf(header, { ...testSample(header, step), loss: step }, change, attempt);
const bodies = (from: number, to: number, attempt = 'first') => range(from, to).map((step) => body(step, attempt));

test('a later batch before an earlier one: all are stored, and the series are as in order', async () => {
  const service = await start();
  expect((await sendSteps(service, 'sent', bodies(51, 100))).answer).toMatchObject({ accepted: 50 });
  expect((await sendSteps(service, 'sent', bodies(1, 50))).answer).toMatchObject({ accepted: 50, duplicates: 0 });
  expect((await sendSteps(service, 'sent', bodies(30, 70))).answer).toMatchObject({ accepted: 0, duplicates: 41 });
  const other = await start();
  for (const [from, to] of [
    [1, 50],
    [51, 100],
  ])
    await sendSteps(other, 'sent', bodies(from, to));
  for (const points of [1, 5, 13, 100]) {
    const path = `api/v1/runs/sent/series?measure=forwardGain&points=${points}`;
    expect(await json(service, path)).toEqual(await json(other, path));
  }
  expect(await json<RunDetail>(service, 'api/v1/runs/sent')).toMatchObject({ attempt: 1, lastStep: 100, attempts: [{ forkStep: 1 }] });
});

test('steps in any order and any batches, some again: each is stored once, buckets as in order', async () => {
  const { pipeline } = await startPipeline();
  const one = testHeader('x', 2);
  await fc.assert(
    fc.asyncProperty(fc.shuffledSubarray(range(0, 90), { minLength: 1 }), fc.integer({ min: 1, max: 20 }), async (steps, size) => {
      const { openRecording, commitReports, closeRecording } = pipeline.recorder!;
      const bucketsOf = (order: number[], part: number) => {
        const directory = temporaryFolder();
        const recording = openRecording(directory, one, 1, { source: 'a', key: null, fresh: false });
        for (let at = 0; at < order.length; at += part) {
          const batch = order.slice(at, at + part);
          commitReports(
            recording,
            [...batch, batch[0]].map((step) => reportOf(one, step, { loss: step, measures: { forwardGain: step / 7 } })),
          );
        }
        closeRecording(recording, 'completed', 2);
        const db = new Database(recording.path);
        const rows = db.prepare('SELECT * FROM buckets ORDER BY level, bucket').all();
        const ends = db.prepare('SELECT first_step, last_step, max_composite_gain FROM attempts').all();
        db.close();
        return { rows, ends };
      };
      expect(bucketsOf(steps, size)).toEqual(
        bucketsOf(
          [...steps].sort((a, b) => a - b),
          100,
        ),
      );
    }),
    { numRuns: 30 },
  );
});

test('a batch that is refused takes nothing', async () => {
  const service = await start();
  await sendSteps(service, 'sent', bodies(1, 3));
  const other = testHeader('sent', 3, 2, 4);
  const rotten = bodyOf(other, testSample(other, 6), {}, 'first');
  expect((await sendSteps(service, 'sent', [body(4), body(5), rotten])).status).toBe(409);
  expect((await sendSteps(service, 'sent', [body(4), body(5, 'second')])).status).toBe(400);
  expect(stepsIn(service.pipeline.directory)).toEqual([1, 2, 3]);
  // Nor one whose late step is its last: rank 1 comes after step 7 was put together without it.
  expect((await sendSteps(service, 'sent', [body(4), body(5)])).answer).toMatchObject({ accepted: 2 });
});

test('after a restart with two attempts a step of either is stored once; what is over takes no more', async () => {
  const directory = temporaryFolder();
  const first = await start({ directory });
  const key = { 'Gainwatch-Key': 'one-training-0123' };
  const steps = (service: typeof first, list: number[], attempt: string) =>
    sendJson(
      service,
      'sent',
      list.map((step) => ({ step, attempt, loss: step, order: ['a'] })),
      key,
    );
  await steps(first, [1, 2, 3], 'a');
  await steps(first, [2, 3], 'b');
  await first.close();
  const second = await start({ directory });
  expect((await steps(second, [1, 2, 3], 'a')).answer).toMatchObject({ accepted: 0, duplicates: 3 });
  expect(await steps(second, [3, 4], 'a')).toMatchObject({ status: 409, answer: { error: { field: 'step', value: 4 } } });
  expect((await steps(second, [3, 4], 'b')).answer).toMatchObject({ accepted: 1, duplicates: 1 });
  expect(storedIn(directory).map(({ source, step }) => `${source}${step}`)).toEqual(['a1', 'a2', 'a3', 'b2', 'b3', 'b4']);
});

test('512 ranks of 32 steps: none that was sent is late', async () => {
  const service = await start();
  const ranks = 512;
  const send = async (rank: number): Promise<number> => {
    const steps = range(1, 32).map((step) => ({ step, attempt: 'a', rank, world_size: ranks, loss: rank, order: ['a'] }));
    for (;;) {
      const { status, answer } = await sendJson(service, 'sent', steps);
      if (status === 200) return Number(answer['accepted']) + Number(answer['duplicates']);
      if (status !== 503) throw new Error(JSON.stringify(answer));
      await new Promise((resolve) => setTimeout(resolve, 500 + Math.random() * 1000));
    }
  };
  const taken = await Promise.all(Array.from({ length: ranks }, (_, rank) => send(rank)));
  expect(taken).toEqual(Array(ranks).fill(32));
  const mean = (ranks - 1) / 2;
  expect(storedIn(service.pipeline.directory)).toEqual(range(1, 32).map((step) => ({ source: 'a', step, loss: mean })));
});

test('a step that is twice in a body is taken once, also in the first body of an attempt, and holds no place', async () => {
  const service = await start();
  const twice = [1, 1, 1].map((step, i) => ({ step, loss: i, order: ['a'] }));
  expect((await sendJson(service, 'sent', twice)).answer).toMatchObject({ accepted: 1, duplicates: 2 });
  expect(recorded(service.pipeline.directory, 'sent').steps.map(({ report }) => report.loss)).toEqual([0]);
  const { ingest } = await startIngest();
  const part = decodeMatrices(compileSchemas(), body(1), 0);
  await Promise.all(handleParts(ingest, 'sent', [part, part, part]).committed.slice(1));
  expect([ingest.waitingBytes, ingest.runs.get('sent')!.waitingBytes]).toEqual([0, 0]);
});

test('a part of a step that waits for the disk is late, however many came since: the step is stored without it', async () => {
  const { ingest, pipeline } = await startIngest();
  const schemas = compileSchemas();
  const send = (rank: number, step: number) => {
    const place = { rank: String(rank), world_size: '2' };
    return handleParts(ingest, 'sent', [decodeMatrices(schemas, body(step, 'first', place), 0)]);
  };
  send(0, 1);
  send(1, 1);
  const { live, ranks } = ingest.runs.get('sent')!;
  const { makeRoom } = fillDisk(pipeline, live!);
  ranks.get(1)!.ended = 'completed'; // it is waited for no more
  for (let step = 2; step < 2100; step++) send(0, step);
  expect(() => send(1, 2)).toThrow('put together without rank 1');
  makeRoom();
});

test('of several ranks without an attempt, what is sent again is stored once; what goes back begins the next', async () => {
  const service = await start();
  const sendAll = (list: number[], from = 0) =>
    Promise.all(
      [0, 1].map((rank) =>
        sendJson(
          service,
          'sent',
          list.map((step) => ({ step, rank, world_size: 2, loss: from + rank + step, order: ['a'] })),
        ),
      ),
    );
  await sendAll([1, 2, 3]);
  for (const { answer } of await sendAll([1, 2, 3])) expect(answer).toMatchObject({ accepted: 0, duplicates: 3 });
  for (const { answer } of await sendAll([1, 2], 10)) expect(answer).toMatchObject({ accepted: 2, duplicates: 0 });
  const { steps } = recorded(service.pipeline.directory, 'sent');
  expect(steps.map(({ attempt, report }) => [attempt, report.step])).toEqual([
    [1, 1],
    [1, 2],
    [1, 3],
    [2, 1],
    [2, 2],
  ]);
});
