/** A body that comes again, as its answer was lost or said "later", of senders that name no attempt and have several ranks. */
import { expect, test, vi } from 'vitest';
import { handleParts } from '../../plugin/ingest/handleParts.ts';
import { closeRank } from '../../plugin/ingest/lifecycle.ts';
import { decodeSteps } from '../../plugin/wire/decode.ts';
import { compileSchemas } from '../../plugin/wire/schema.ts';
import { fillDisk, startIngest } from '../support/pipelines.ts';
import { range, stepsIn, storedIn } from '../support/stored.ts';

const schemas = compileSchemas();
const partsOf = (steps: readonly number[], rank: number, change = {}) => {
  const body = steps.map((step) => ({ step, rank, world_size: 2, order: ['a', 'b'], loss: step + rank / 2, ...change }));
  return decodeSteps(schemas, 'application/json', Buffer.from(JSON.stringify(body)), 0);
};

test('of several ranks without an attempt: what comes again is a duplicate, committed or not; other values begin anew', async () => {
  let now = 5_000_000;
  const { ingest, pipeline, directory } = await startIngest({ now: () => now });
  const pass = async (ms: number) => {
    now += ms;
    await vi.advanceTimersByTimeAsync(ms);
  };
  const send = (rank: number, steps: readonly number[], change = {}) => handleParts(ingest, 'sent', partsOf(steps, rank, change));
  for (const rank of [0, 1]) send(rank, range(1, 5));
  // Put together, and not committed yet.
  expect(send(0, range(1, 5))).toMatchObject({ accepted: 0, duplicates: 5 });
  await pass(200);
  for (const rank of [1, 0]) expect(send(rank, range(1, 5))).toMatchObject({ accepted: 0, duplicates: 5 });
  const live = pipeline.live.get('sent')!;
  const disk = fillDisk(pipeline, live);
  for (const rank of [0, 1]) send(rank, range(6, 200));
  await pass(200);
  expect(live.recordingProblem).not.toBeNull();
  for (const rank of [0, 1]) expect(send(rank, range(6, 200))).toMatchObject({ accepted: 0, duplicates: 195 });
  disk.makeRoom();
  await pass(10_000);
  expect(stepsIn(directory)).toEqual(range(1, 200));
  expect(pipeline.live.get('sent')).toBe(live);
  send(1, range(3, 4), { loss: 9 });
  expect(pipeline.live.get('sent')).not.toBe(live);
});

test('what waits on a full disk is known as long as it waits, however many come after it', async () => {
  let now = 5_000_000;
  const { ingest, pipeline, directory } = await startIngest({ now: () => now });
  const pass = async (ms: number) => {
    now += ms;
    await vi.advanceTimersByTimeAsync(ms);
  };
  const send = (from: number, to: number) => handleParts(ingest, 'sent', partsOf(range(from, to), 0, { world_size: 1, attempt: 'a' }));
  send(1, 1);
  const disk = fillDisk(pipeline, pipeline.live.get('sent')!);
  for (let from = 2; from < 3000; from += 500) {
    send(from, from + 499);
    await pass(250);
  }
  expect(send(2, 500)).toMatchObject({ accepted: 0, duplicates: 499 });
  disk.makeRoom();
  await pass(20_000);
  expect(stepsIn(directory)).toEqual(range(1, 3001));
  expect(send(3002, 3500)).toMatchObject({ accepted: 499 });
  expect(ingest.runs.get('sent')!.assembledSteps.size).toBeLessThan(2100);
  await pass(250);
  expect(send(1, 500)).toMatchObject({ accepted: 0, duplicates: 500 });
});

test('a step twice in the first body of an attempt is taken once, and holds no place afterwards', async () => {
  const { ingest, directory } = await startIngest();
  const parts = [...partsOf([1, 1, 2], 0, { world_size: 1, attempt: 'a' }), ...partsOf([1], 0, { world_size: 1, attempt: 'a', loss: 7 })];
  expect(handleParts(ingest, 'sent', parts)).toMatchObject({ accepted: 2, duplicates: 2 });
  expect(ingest.waitingBytes).toBe(0);
  await vi.advanceTimersByTimeAsync(200);
  expect(storedIn(directory)).toMatchObject([{ step: 1, loss: 1 }, { step: 2 }]);
});

test('what an attempt that is over has stored is looked up with the file opened once', async () => {
  const { ingest, pipeline } = await startIngest();
  const send = () => handleParts(ingest, 'sent', partsOf(range(1, 100), 0, { world_size: 1, attempt: 'a' }));
  send();
  await vi.advanceTimersByTimeAsync(200);
  closeRank(ingest, 'sent', { attempt: 'a', rank: 0, stage: 0, stages: 1, replica: null }, 'completed');
  const opened = vi.spyOn(pipeline.recorder!, 'openStepFinder');
  expect(send()).toMatchObject({ accepted: 0, duplicates: 100 });
  expect(opened).toHaveBeenCalledTimes(1);
});
