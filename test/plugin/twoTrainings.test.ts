/** Trainings of one name and one server: what each sends is kept, in a run of its own or one after the other (sender and server, real). */
import { expect, test } from 'vitest';
import type { RunDetail } from '../../src/telemetry/api.ts';
import { temporaryFolder } from '../support/folders.ts';
import { startSender } from '../support/monitors.ts';
import { recorded } from '../support/recorded.ts';
import { json, start } from '../support/service.ts';

const OVER = { askMs: 100, overMs: 1500 };

async function startServer() {
  const directory = temporaryFolder();
  const service = await start({ directory });
  /** Time that has passed without anything. */
  const skipped = { ms: 0 };
  Object.assign(service.pipeline, { monotonic: () => performance.now() + skipped.ms });
  const run = (name: string) => json<RunDetail>(service, `api/v1/runs/${name}`);
  return { service, directory, run, skipped };
}

const of = (key: string, attempt: string, limits = OVER) => ({ key, attempt, limits });

test('the second goes over to the free name, the first loses nothing', async () => {
  const { service, run } = await startServer();
  const first = startSender(service.url, 3, of('key-of-the-first', 'a'));
  await expect.poll(() => first.queue.waiting.length).toBe(0);
  const second = startSender(service.url, 5, of('key-of-the-second', 'b'));
  await expect.poll(() => second.renamed).toEqual(['sent-2']);
  first.add(4, 5, 6);
  expect([await first.close(), await second.close()]).toEqual([0, 0]);
  expect(await run('sent')).toMatchObject({ lastStep: 6, outcome: 'completed', attempts: [{ attempt: 1 }] });
  expect(await run('sent-2')).toMatchObject({ lastStep: 5, outcome: 'completed', attempts: [{ attempt: 1 }] });
});

test('where the first ends meanwhile, the second is its next attempt', async () => {
  const { service, run } = await startServer();
  const first = startSender(service.url, 3, of('key-of-the-first', 'a'));
  await expect.poll(() => first.queue.waiting.length).toBe(0);
  const second = startSender(service.url, 5, of('key-of-the-second', 'b', { askMs: 100, overMs: 1e6 }));
  await expect.poll(() => second.lines.join()).toContain('ANOTHER TRAINING');
  await first.close();
  await expect.poll(() => second.queue.waiting.length).toBe(0);
  await second.close();
  expect(second.renamed).toEqual([]);
  expect(await run('sent')).toMatchObject({
    outcome: 'completed',
    attempts: [
      { attempt: 1, lastStep: 3 },
      { attempt: 2, lastStep: 5 },
    ],
  });
});

test('what resumes with the key goes on at once, though the one before did not end', async () => {
  const { service, run } = await startServer();
  const killed = startSender(service.url, 3, of('key-of-the-training', 'a'));
  await expect.poll(() => killed.queue.waiting.length).toBe(0);
  const resumed = startSender(service.url, 5, of('key-of-the-training', 'b'));
  expect(await resumed.close()).toBe(0);
  expect(resumed.renamed).toEqual([]);
  expect(await run('sent')).toMatchObject({
    attempts: [
      { attempt: 1, lastStep: 3 },
      { attempt: 2, lastStep: 5 },
    ],
  });
});

test('one that was silent so long that another has its run loses nothing when it goes on', async () => {
  const { service, run, skipped } = await startServer();
  const slow = startSender(service.url, 3, of('key-of-the-slow', 'a'));
  await expect.poll(() => slow.queue.waiting.length).toBe(0);
  skipped.ms = 4 * 3600_000;
  const other = startSender(service.url, 4, of('key-of-the-other', 'b'));
  await expect.poll(() => other.queue.waiting.length).toBe(0);
  slow.add(4, 5, 6);
  await expect.poll(() => slow.renamed).toEqual(['sent-2']);
  expect([await slow.close(), await other.close(), slow.queue.dropped]).toEqual([0, 0, 0]);
  expect(await run('sent-2')).toMatchObject({ lastStep: 6, attempts: [{ forkStep: 4 }] });
});

test('all ranks of a training are led to the same name', async () => {
  const { service, directory, run } = await startServer();
  const first = startSender(service.url, 1, of('key-of-the-first', 'a'));
  await expect.poll(() => first.queue.waiting.length).toBe(0);
  const ranks = ['0', '1', '2'].map((rank) =>
    startSender(service.url, 4, { ...of('key-of-the-ranks', 'b'), place: { rank, world_size: '3' } }),
  );
  await expect.poll(() => ranks.map(({ renamed }) => renamed)).toEqual([['sent-2'], ['sent-2'], ['sent-2']]);
  await expect.poll(() => ranks.map(({ queue }) => queue.waiting.length)).toEqual([0, 0, 0]);
  expect(await run('sent-2')).toMatchObject({ lastStep: 4, attempts: [{ attempt: 1 }] });
  expect(recorded(directory, 'sent-2').steps).toHaveLength(4);
});
