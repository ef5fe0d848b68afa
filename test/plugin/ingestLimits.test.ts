/** What one sender may take of the ingest, so that the others have theirs. */
import { expect, test, vi } from 'vitest';
import { handleParts } from '../../plugin/ingest/handleParts.ts';
import { closeRank, openRank, sweep } from '../../plugin/ingest/lifecycle.ts';
import { createMetrics } from '../../plugin/metrics/metrics.ts';
import { decodeMatrices } from '../../plugin/wire/decodeMatrices.ts';
import { compileSchemas } from '../../plugin/wire/schema.ts';
import type { RunDetail } from '../../src/telemetry/api.ts';
import { startIngest } from '../support/pipelines.ts';
import { testHeader, testSample } from '../support/samples.ts';
import { json, start } from '../support/service.ts';
import { bodyOf, sendJson } from '../support/wire.ts';

const schemas = compileSchemas();

test('attempts that follow each other too quickly are put off', async () => {
  const service = await start();
  const counted = Array.from({ length: 1024 }, (_, i) => ({ step: 1024 - i, order: ['a'], loss: 1 }));
  // One body is one attempt, whatever the order of its steps.
  expect((await sendJson(service, 'train', counted)).answer).toMatchObject({ accepted: 1024 });
  expect(await json<RunDetail>(service, 'api/v1/runs/train')).toMatchObject({ attempt: 1 });
  const answers = [];
  for (let i = 0; i < 20; i++) answers.push((await sendJson(service, 'train', { step: 1023 - i, order: ['a'], loss: i + 2 })).status);
  expect(answers.filter((status) => status === 429).length).toBeGreaterThan(5);
});

test('64 runs that nobody goes on with keep out no other; those that go on stay', async () => {
  let now = 5_000_000;
  const { ingest } = await startIngest({ recorder: null, now: () => now });
  const header = testHeader('sent', 2, 4, 4);
  const sendTo = (name: string, step: number) => {
    const place = { attempt: 'a', rank: 0, worldSize: 1, stage: 0, stages: 1, replica: null };
    const model = { connections: header.connections, streams: 4, tokens: 4 };
    openRank(ingest, name, place, model);
    if (step > 0) handleParts(ingest, name, [decodeMatrices(schemas, bodyOf(header, testSample(header, step), {}, 'a'), now)]);
  };
  for (let i = 0; i < 63; i++) sendTo(`junk${i}`, 0);
  sendTo('good', 1);
  now += 5000;
  expect(() => sendTo('new', 0)).toThrow('end another one');
  now += 6000;
  sendTo('good', 2);
  sendTo('new', 1);
  expect([...ingest.runs.keys()]).toContain('good');
  expect(ingest.runs.size).toBe(64);
  expect(ingest.runs.has('junk0')).toBe(false);
});

test('a run whose stage never comes leaves the others their place', async () => {
  const { ingest } = await startIngest({ recorder: null });
  const header = testHeader('sent', 8, 8, 64);
  const part = (step: number, stages: number, attempt: string, rank = 0, size?: number) => {
    const change = { stages: String(stages), stage: String(rank), rank: String(rank), world_size: String(stages) };
    const made = decodeMatrices(schemas, bodyOf(header, testSample(header, step), change, attempt), 0);
    return [{ ...made, size: size ?? made.size }];
  };
  const mib = 2 ** 20;
  // Nine runs, each without its second stage, take all that they can.
  let taken = 0;
  for (let run = 0; run < 9; run++) {
    for (let step = 1; ; step++) {
      try {
        handleParts(ingest, `hog${run}`, part(step, 2, 'a', 0, mib));
        taken += mib;
      } catch (error) {
        expect((error as { status: number }).status).toBe(503);
        break;
      }
    }
  }
  expect(taken).toBeLessThanOrEqual(ingest.limits.waitingBytes);
  // One of several ranks has its share, and one that is whole needs none.
  expect(handleParts(ingest, 'innocent', part(1, 2, 'a', 0, 3 * mib)).accepted).toBe(1);
  expect(handleParts(ingest, 'whole', part(1, 1, 'a', 0, 16 * mib)).accepted).toBe(1);
});

test.each([
  ['recorded', {}, 0],
  ['not recorded', { recorder: null }, 64],
])('runs that have ended fill nothing, %s', async (_how, change, shown) => {
  let now = 5_000_000;
  const { ingest, pipeline } = await startIngest({ ...change, now: () => now });
  const metrics = createMetrics('1', ingest);
  pipeline.sinks.add(metrics.sink);
  const header = testHeader('sent', 2, 4, 4);
  const lives = [];
  for (let i = 0; i < 80; i++) {
    const name = `run${i}`;
    handleParts(ingest, name, [decodeMatrices(schemas, bodyOf(header, testSample(header, 1), {}, 'a'), now)]);
    await vi.advanceTimersByTimeAsync(200);
    lives.push(pipeline.live.get(name)!);
    closeRank(ingest, name, { attempt: 'a', rank: 0, stage: 0, stages: 1, replica: null }, 'completed');
    now += 61_000;
    sweep(ingest);
  }
  expect(pipeline.live.size).toBe(shown);
  expect(lives.filter(({ last }) => last !== null)).toHaveLength(shown);
  expect((await metrics.scrape()).body).toContain('mhc_run_outcome{run="run0",outcome="completed"} 1');
});
