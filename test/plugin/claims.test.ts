/** A run belongs to its training: by the name of its attempt, and by the key that the training sends. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import type { RunDetail } from '../../src/telemetry/api.ts';
import { temporaryFolder } from '../support/folders.ts';
import { startIngest } from '../support/pipelines.ts';
import { changeRecording, recorded } from '../support/recorded.ts';
import { testHeader, testSample } from '../support/samples.ts';
import { json, start } from '../support/service.ts';
import { bodyOf, send, sendJson } from '../support/wire.ts';

const KEY = 'key-of-the-first';
const OTHER = 'key-of-another';
interface Sender {
  attempt?: string;
  key?: string;
  rank?: number;
}
type Monitor = Awaited<ReturnType<typeof start>>;

const withKey = ({ key }: Sender): Record<string, string> => (key === undefined ? {} : { 'Gainwatch-Key': key });
const who = ({ attempt, rank }: Sender) => ({ ...(attempt === undefined ? {} : { attempt }), ...(rank === undefined ? {} : { rank }) });
const steps = (service: Monitor, sender: Sender, list: number[], run = 'train') =>
  sendJson(
    service,
    run,
    list.map((step) => ({ step, ...who(sender), loss: step, order: ['a'] })),
    withKey(sender),
  );
const put = (service: Monitor, sender: Sender, state: object, run = 'train') =>
  send(service, `runs/${run}`, JSON.stringify({ ...who(sender), ...state }), withKey(sender), 'PUT');
const OPEN = { state: 'open', streams: 4, order: ['a'] };
const CLOSED = { state: 'closed', outcome: 'completed' };
const stored = (service: Monitor, run = 'train') =>
  recorded(service.pipeline.directory, run).steps.map(({ attempt, report }) => `${attempt}:${report.step}`);

const STRANGERS: [string, Sender, Sender][] = [
  ['another attempt with another key', { attempt: 'x', key: KEY }, { attempt: 'y', key: OTHER }],
  ['another attempt without a key', { attempt: 'x', key: KEY }, { attempt: 'y' }],
  ['another attempt, both without a key', { attempt: 'x' }, { attempt: 'y' }],
  ['no attempt', { attempt: 'x', key: KEY }, {}],
  ['no attempt with a key, where the run was opened without one', { attempt: 'x' }, { key: OTHER }],
  ['a key alone, where the run was opened with neither', {}, { key: OTHER }],
  ['a name that is only a number, where the run was opened without one', {}, { attempt: '.1' }],
  ['the same attempt with another key', { attempt: 'x', key: KEY }, { attempt: 'x', key: OTHER }],
];

test.each(STRANGERS)('%s takes nothing from a training that goes on', async (_name, own, stranger) => {
  const service = await start();
  await put(service, own, OPEN);
  await steps(service, own, [1, 2]);
  for (const refused of [
    await put(service, stranger, OPEN),
    await steps(service, stranger, [1, 5]),
    await put(service, stranger, CLOSED),
  ]) {
    expect(refused.status).toBe(409);
  }
  expect((await steps(service, own, [3])).answer).toMatchObject({ accepted: 1 });
  expect(await json<RunDetail>(service, 'api/v1/runs/train')).toMatchObject({ attempt: 1, live: true });
  expect(stored(service)).toEqual(['1:1', '1:2', '1:3']);
});

test('the refusal names a name that is free, and the ranks of one training meet there', async () => {
  const service = await start();
  await steps(service, { attempt: 'x', key: KEY }, [1]);
  await steps(service, { attempt: 'z', key: 'a-third-training' }, [1], 'train-2');
  const freeFor = async (rank: number) => {
    const { status, answer } = await put(service, { attempt: 'y', key: OTHER, rank }, { ...OPEN, world_size: 2 });
    expect(status).toBe(409);
    return (answer.error as unknown as { free: string }).free;
  };
  expect(await freeFor(0)).toBe('train-3');
  expect((await put(service, { attempt: 'y', key: OTHER, rank: 0 }, { ...OPEN, world_size: 2 }, 'train-3')).status).toBe(200);
  expect(await freeFor(1)).toBe('train-3');
});

const NEXT: [string, Sender, Sender][] = [
  ['its key', { attempt: 'x', key: KEY }, { attempt: 'y', key: KEY }],
  ['the name that a sender of before gives to its next attempt', { attempt: 'x' }, { attempt: 'x.1' }],
];

test('of a run that another process writes the name that is free is another one, also for its own training', async () => {
  const directory = temporaryFolder();
  const before = await start({ directory });
  await steps(before, { attempt: 'x', key: KEY }, [1]);
  await before.close();
  changeRecording(join(directory, 'train.sqlite'), `UPDATE attempts SET outcome = NULL, pid = ${process.ppid}`);
  const { status, answer } = await steps(await start({ directory }), { attempt: 'x', key: KEY }, [2]);
  expect([status, answer.error]).toMatchObject([409, { free: 'train-2' }]);
});

test.each(NEXT)('the next attempt of the same training is known by %s', async (_name, first, second) => {
  const service = await start();
  await steps(service, first, [1, 2, 3]);
  expect((await steps(service, second, [2, 3])).answer).toMatchObject({ accepted: 2 });
  // What is over: known where it is stored, refused where it is not.
  expect((await steps(service, first, [3])).answer).toMatchObject({ duplicates: 1 });
  expect((await steps(service, first, [4])).status).toBe(409);
  expect(stored(service)).toEqual(['1:1', '1:2', '1:3', '2:2', '2:3']);
});

test('a run that has ended may be taken; after a restart it belongs to its training still', async () => {
  const directory = temporaryFolder();
  const first = await start({ directory });
  await steps(first, { attempt: 'x', key: KEY }, [1]);
  await first.close();
  const second = await start({ directory });
  expect((await steps(second, { attempt: 'y', key: OTHER }, [1])).status).toBe(409);
  expect((await steps(second, {}, [2])).status).toBe(409);
  expect((await steps(second, { attempt: 'x', key: KEY }, [1, 2])).answer).toMatchObject({ accepted: 1, duplicates: 1 });
  await put(second, { attempt: 'x', key: KEY }, CLOSED);
  expect((await steps(second, { attempt: 'y', key: OTHER }, [1])).status).toBe(200);
  expect(stored(second)).toEqual(['1:1', '1:2', '2:1']);
});

test('a run that is silent for as long as a stall may be taken without a key', async () => {
  let now = 5_000_000;
  const { handle, ingest } = await startIngest({ now: () => now });
  const header = testHeader('sent', 2, 4, 4);
  const body = (step: number, attempt: string) => bodyOf(header, testSample(header, step), {}, attempt);
  handle(body(1, 'x'), 'hash');
  vi.advanceTimersByTime(200);
  now += 59_000;
  expect(() => handle(body(1, 'y'))).toThrow('sent-2 is free');
  now += 2_000;
  expect(handle(body(1, 'y')).accepted).toBe(1);
  expect(ingest.runs.get('sent')).toMatchObject({ attempt: 'y', key: null });
  // The first hears that another training has it now, and of a name for itself; what is stored is stored.
  expect(() => handle(body(2, 'x'), 'hash')).toThrow('sent-2 is free');
  expect(handle(body(1, 'x'), 'hash').duplicates).toBe(1);
});

test('a step without an attempt is the current attempt’s where the run was opened without a key: curl needs neither', async () => {
  const service = await start();
  await put(service, { attempt: 'x' }, OPEN);
  await steps(service, { attempt: 'x' }, [1]);
  expect((await steps(service, {}, [2])).answer).toMatchObject({ accepted: 1 });
  expect((await steps(service, {}, [3], 'curl')).answer).toMatchObject({ accepted: 1 });
  expect((await steps(service, {}, [4], 'curl')).answer).toMatchObject({ accepted: 1 });
  // The same request again, as its answer was lost, also after the end.
  expect((await steps(service, {}, [3, 4], 'curl')).answer).toMatchObject({ duplicates: 2 });
  await put(service, {}, CLOSED, 'curl');
  expect((await steps(service, {}, [3, 4], 'curl')).answer).toMatchObject({ duplicates: 2 });
  expect([stored(service), stored(service, 'curl')]).toEqual([
    ['1:1', '1:2'],
    ['1:3', '1:4'],
  ]);
});

test('without attempts, after a restart: what is stored is known, what is other begins anew', async () => {
  const directory = temporaryFolder();
  const first = await start({ directory });
  await steps(first, {}, [1, 2, 3]);
  await first.close();
  const second = await start({ directory });
  expect((await steps(second, {}, [2, 3, 4])).answer).toMatchObject({ accepted: 1, duplicates: 2 });
  await sendJson(second, 'train', { step: 1, loss: 7, order: ['a'] });
  expect(stored(second)).toEqual(['1:1', '1:2', '1:3', '1:4', '2:1']);
});

test('a key that cannot be one is refused without being repeated', async () => {
  const service = await start();
  for (const key of ['short', 'with space in it', 'x'.repeat(129)]) {
    const { status, answer } = await steps(service, { key }, [1]);
    expect([status, answer.error?.field]).toEqual([400, 'Gainwatch-Key']);
    expect(JSON.stringify(answer)).not.toContain(key);
  }
});

test('the key itself is kept nowhere', async () => {
  const service = await start();
  await steps(service, { attempt: 'x', key: KEY }, [1]);
  const file = readFileSync(`${service.pipeline.directory}/train.sqlite`);
  expect(file.includes(KEY)).toBe(false);
});
