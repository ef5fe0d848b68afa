/** A recording that somebody deletes or moves while its run goes on: nothing that was in it is called stored any more. */
import { mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../support/folders.ts';
import { recorded } from '../support/recorded.ts';
import { start } from '../support/service.ts';
import { sendJson } from '../support/wire.ts';

const files = (directory: string) => readdirSync(directory).filter((name) => name.startsWith('train.sqlite'));
const steps = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => ({ step: from + i, attempt: 'a', loss: 1, order: ['x'] }));

test.each<[string, (directory: string) => void]>([
  ['deleted', (directory) => files(directory).forEach((name) => void rmSync(join(directory, name)))],
  [
    'moved',
    (directory) => {
      mkdirSync(join(directory, 'away'));
      for (const name of files(directory)) renameSync(join(directory, name), join(directory, 'away', name));
    },
  ],
])('a step of a %s recording that is sent again is stored again', async (_what, takeAway) => {
  const directory = temporaryFolder();
  const service = await start({ directory });
  expect((await sendJson(service, 'train', steps(1, 3))).answer).toMatchObject({ accepted: 3 });
  takeAway(directory);
  expect((await sendJson(service, 'train', steps(2, 3))).answer).toMatchObject({ accepted: 2, duplicates: 0 });
  expect((await sendJson(service, 'train', steps(3, 4))).answer).toMatchObject({ accepted: 1, duplicates: 1 });
  await service.close();
  expect(recorded(directory, 'train').steps.map(({ report }) => report.step)).toEqual([2, 3, 4]);
});

test('a request that waits while its recording is taken away is not acknowledged', async () => {
  const directory = temporaryFolder();
  const service = await start({ directory });
  const of = (rank: number, from: number, to: number) => steps(from, to).map((step) => ({ ...step, rank, world_size: 2 }));
  const waiting = sendJson(service, 'train', of(0, 1, 2));
  expect((await sendJson(service, 'train', of(1, 1, 1))).status).toBe(200);
  for (const name of files(directory)) rmSync(join(directory, name));
  expect((await sendJson(service, 'train', of(1, 2, 2))).status).toBe(200);
  expect((await waiting).status).toBe(503);
  expect((await sendJson(service, 'train', of(0, 1, 2))).status).toBe(200);
  await service.close();
  expect(recorded(directory, 'train').steps.map(({ report }) => report.step)).toEqual([1, 2]);
});

const inFile = (directory: string) => recorded(directory, 'train').steps.map(({ report }) => report.step);

test.each<[string, (path: string) => void]>([
  ['its log', (path) => ['-wal', '-shm'].forEach((end) => void rmSync(path + end))],
  ['its log alone', (path) => rmSync(`${path}-wal`)],
  ['what was in it', (path) => truncateSync(path)],
])('a recording that loses %s while it is written has what was acknowledged, in the file that others see', async (_what, takeAway) => {
  const directory = temporaryFolder();
  const service = await start({ directory });
  expect((await sendJson(service, 'train', steps(1, 3))).answer).toMatchObject({ accepted: 3 });
  takeAway(join(directory, 'train.sqlite'));
  expect((await sendJson(service, 'train', steps(4, 5))).answer).toMatchObject({ accepted: 2 });
  expect(inFile(directory)).toEqual([1, 2, 3, 4, 5]);
  expect((await sendJson(service, 'train', steps(5, 6))).answer).toMatchObject({ accepted: 1, duplicates: 1 });
  expect(inFile(directory)).toEqual([1, 2, 3, 4, 5, 6]);
});

test('a log that others emptied: nothing behind the hole is acknowledged', async () => {
  const directory = temporaryFolder();
  const service = await start({ directory });
  await sendJson(service, 'train', steps(1, 3));
  truncateSync(join(directory, 'train.sqlite-wal'));
  expect((await sendJson(service, 'train', steps(4, 5))).status).toBe(503);
});

test('a recording that is a link to a file is in place', async () => {
  const directory = temporaryFolder();
  mkdirSync(join(directory, 'elsewhere'));
  symlinkSync(join(directory, 'elsewhere/file.sqlite'), join(directory, 'train.sqlite'));
  const service = await start({ directory });
  await sendJson(service, 'train', steps(1, 2));
  await sendJson(service, 'train', steps(3, 3));
  expect([inFile(directory), service.problems]).toEqual([[1, 2, 3], []]);
});
