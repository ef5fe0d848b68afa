/** What a sender finds of its connections as it begins to watch them: taken in, kept, shown, and refused where it cannot be. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { selfTestRows } from '../../dashboard/model/selfTestTable.ts';
import type { RunDetail } from '../../src/telemetry/api.ts';
import type { SelfTestEntry } from '../../src/telemetry/selfTest.ts';
import { temporaryFolder } from '../support/folders.ts';
import { changeRecording } from '../support/recorded.ts';
import { json, start } from '../support/service.ts';
import { connectStream } from '../support/streamClient.ts';
import { upload } from '../support/uploads.ts';
import { sendJson, sendState } from '../support/wire.ts';

const entry = (connection: string, change: Partial<SelfTestEntry> = {}): SelfTestEntry => ({
  connection,
  dtype: 'float32',
  forward_gain: 1,
  row_deviation: 2e-7,
  column_deviation: 'NaN',
  sensitivity: 0.25,
  mixing: 'even',
  orientation: 'comb',
  findings: [],
  ...change,
});
const opened = (change: object = {}) => ({ state: 'open', attempt: 'first', streams: 4, order: ['a', 'b'], ...change });
const selfTest = async (service: { url: string }) => (await json<RunDetail>(service, 'api/v1/runs/sent')).selfTest;

test('it is kept with its attempt, told again, and shown with the findings first', async () => {
  const directory = temporaryFolder();
  let service = await start({ directory });
  const stream = await connectStream(service);
  const [a, b] = [entry('a'), entry('b', { sensitivity: 0, mixing: 'near identity', findings: ['it can never learn'] })];
  expect((await sendState(service, 'sent', opened({ self_test: [a, b] }))).status).toBe(200);
  await expect.poll(() => selfTest(service)).toEqual([a, b]);
  await stream.events('connections', 1);
  // Again: the same is nothing new; of a connection the newest counts; others stay.
  expect((await sendState(service, 'sent', opened({ self_test: [a, b] }))).status).toBe(200);
  const newer = entry('a', { forward_gain: 'Infinity', findings: ['all ones'] });
  await sendState(service, 'sent', opened({ self_test: [newer] }));
  await expect.poll(() => selfTest(service)).toEqual([newer, b]);
  expect(await stream.events('connections', 2)).toHaveLength(2);
  await sendJson(service, 'sent', { step: 1, attempt: 'first', order: ['a', 'b'] });
  await service.close();
  service = await start({ directory });
  expect(await selfTest(service)).toEqual([newer, b]);
  await sendState(service, 'sent', opened({ self_test: [entry('a#2')] }));
  await expect.poll(() => selfTest(service)).toEqual([newer, b, entry('a#2')]);
  expect(selfTestRows([a, b], ['a', 'b']).map(({ connection }) => connection)).toEqual(['b', 'a']);
  await sendState(service, 'sent', { state: 'closed', attempt: 'first' });

  const path = join(directory, 'sent.sqlite');
  const other = await start();
  expect((await upload(other, readFileSync(path))).status).toBe(201);
  expect(await selfTest(other)).toEqual([newer, b, entry('a#2')]);
  changeRecording(path, `UPDATE attempts SET self_test = '[{"connection":7}]'; PRAGMA wal_checkpoint(TRUNCATE)`);
  expect((await upload(other, readFileSync(path))).status).toBe(400);
});

test('of stages it goes by the names of the run, also where it comes before the run has begun', async () => {
  const service = await start();
  const place = (stage: number) => ({ rank: stage, world_size: 2, stage, stages: 2 });
  await sendState(service, 'sent', opened({ ...place(0), self_test: [entry('a')] }));
  await sendState(service, 'sent', opened({ ...place(1), self_test: [entry('a', { mixing: null })] }));
  await expect.poll(() => selfTest(service)).toEqual([entry('stage0.a'), entry('stage1.a', { mixing: null })]);
});

test.each([
  ['self_test.0.mixing', { mixing: 'odd' }],
  ['self_test.0.findings', { findings: Array(9).fill('x') }],
  ['self_test.0.findings.0', { findings: ['x'.repeat(301)] }],
  ['self_test.0.dtype', { dtype: 'x'.repeat(33) }],
  ['self_test.0.more', { more: 1 }],
])('%s is refused', async (field, change) => {
  const service = await start();
  const { status, answer } = await sendState(service, 'sent', opened({ self_test: [{ ...entry('a'), ...change }] }));
  expect([status, answer.error?.field]).toEqual([400, field]);
});
