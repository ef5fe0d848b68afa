/** The end of runs of which this process knows little: after a restart, or before their stages are known. */
import { expect, test, vi } from 'vitest';
import { handleParts } from '../../plugin/ingest/handleParts.ts';
import { INGEST_LIMITS } from '../../plugin/ingest/ingestRun.ts';
import { createIngest } from '../../plugin/ingest/knownRuns.ts';
import { closeRank, openRank, sweep } from '../../plugin/ingest/lifecycle.ts';
import { decodeSteps } from '../../plugin/wire/decode.ts';
import { decodeMatrices } from '../../plugin/wire/decodeMatrices.ts';
import { compileSchemas } from '../../plugin/wire/schema.ts';
import { analyse } from '../../src/telemetry/analyse.ts';
import type { ConnectionInfo } from '../../src/telemetry/sample.ts';
import { startIngest } from '../support/pipelines.ts';
import { testHeader, testSample } from '../support/samples.ts';
import { stepsIn } from '../support/stored.ts';
import { bodyOf, partOf } from '../support/wire.ts';

const schemas = compileSchemas();
const connections: ConnectionInfo[] = [{ name: 'a', kind: 'hc', convention: null }];
const model = { connections, streams: 4, tokens: null };
const step = (change: object) =>
  decodeSteps(schemas, 'application/json', Buffer.from(JSON.stringify({ step: 1, order: ['a'], ...change })), 0);
const place = { attempt: null, rank: 0, stage: 0, stages: 1, replica: null };

test('an attempt of which only one stage came does not change how the one before ended', async () => {
  let now = 5_000_000;
  const { ingest, pipeline, directory } = await startIngest({ now: () => now });
  handleParts(ingest, 'sent', step({}));
  await vi.advanceTimersByTimeAsync(200);
  closeRank(ingest, 'sent', place, 'completed');
  openRank(ingest, 'sent', { ...place, worldSize: 2, stages: 2 }, model);
  now += 2 * 3_600_000;
  sweep(ingest);
  expect(pipeline.recorder!.readSentRun(directory, 'sent')).toMatchObject({ outcome: 'completed', source: '' });
});

test('ranks that close after a restart are bounded, and keep their stage', async () => {
  const { ingest, pipeline } = await startIngest();
  handleParts(ingest, 'sent', step({ attempt: 'a', world_size: 2, stages: 1 }));
  await vi.advanceTimersByTimeAsync(16_000);
  const again = createIngest({ ...pipeline, live: new Map() }, { ...INGEST_LIMITS, ranks: 3 });
  const close = (rank: number) =>
    closeRank(again, 'sent', { ...place, attempt: 'a', rank, stage: rank, stages: 3, worldSize: 3 }, 'completed');
  for (const rank of [0, 1, 2, 2]) expect(close(rank)?.ranks.get(rank)).toMatchObject({ stage: rank, ended: 'completed' });
  expect(() => close(3)).toThrow('must be one of the 3');
  expect(again.runs.get('sent')?.ranks.size).toBe(3);
});

test('a run is not closed while its stages are analysed, and its end by silence analyses little on the loop', async () => {
  let now = 5_000_000;
  const { ingest, pipeline, directory } = await startIngest({ now: () => now });
  const header = testHeader('sent', 8, 8, 128);
  const asked: (() => void)[] = [];
  ingest.analyst.analyse = (...given) => new Promise((resolve) => asked.push(() => resolve(analyse(...given))));
  const send = (step: number, attempt = 'a') => {
    for (const stage of [0, 1]) {
      const own = partOf(header, testSample(header, step), 4 * stage, 4 * stage + 4);
      const change = { rank: `${stage}`, world_size: '2', stage: `${stage}`, stages: '2' };
      handleParts(ingest, 'sent', [decodeMatrices(schemas, bodyOf(own.header, own.sample, change, attempt), now)]);
    }
  };
  const close = (rank: number) =>
    closeRank(ingest, 'sent', { ...place, attempt: 'a', rank, stage: rank, stages: 2, worldSize: 2 }, 'completed');
  send(1);
  send(2);
  close(0);
  expect(() => close(1)).toThrow('being analysed');
  while (asked.length > 0) {
    asked.shift()!();
    await vi.advanceTimersByTimeAsync(250);
  }
  close(1);
  expect(pipeline.live.get('sent')?.outcome).toBe('completed');
  expect(stepsIn(directory)).toEqual([1, 2]);
  // Silence: what was not analysed by then is not acknowledged, and costs nothing.
  now += 61_000;
  sweep(ingest);
  for (let step = 3; step < 9; step++) send(step, 'b');
  now += 2 * 3_600_000;
  sweep(ingest);
  expect(ingest.waitingBytes).toBe(0);
  expect(stepsIn(directory)).toEqual([1, 2, 3]);
});
