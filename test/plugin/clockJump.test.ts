/** A clock that jumps between two servers makes a run look silent for long: what goes on without an attempt's name goes on. */
import { expect, test } from 'vitest';
import { temporaryFolder } from '../support/folders.ts';
import { recorded } from '../support/recorded.ts';
import { TEST_TIME } from '../support/samples.ts';
import { start } from '../support/service.ts';
import { sendJson } from '../support/wire.ts';

const steps = (from: number, to: number, loss = 1) =>
  Array.from({ length: to - from + 1 }, (_, i) => ({ step: from + i, loss, order: ['x'] }));
const DAY_MS = 86_400_000;

test('what is sent again after a restart and a day is known, and stored once; what goes back begins anew', async () => {
  const directory = temporaryFolder();
  const first = await start({ directory });
  await sendJson(first, 'train', steps(1, 5));
  await first.close();
  const second = await start({ directory, now: () => TEST_TIME + DAY_MS });
  expect((await sendJson(second, 'train', steps(4, 7))).answer).toMatchObject({ accepted: 2, duplicates: 2 });
  await second.close();
  const third = await start({ directory, now: () => TEST_TIME + 2 * DAY_MS });
  expect((await sendJson(third, 'train', steps(1, 2, 3))).answer).toMatchObject({ accepted: 2, duplicates: 0 });
  await third.close();
  const { steps: all } = recorded(directory, 'train');
  expect(all.map(({ attempt, report }) => [attempt, report.step])).toEqual([
    ...[1, 2, 3, 4, 5, 6, 7].map((step) => [1, step]),
    ...[1, 2].map((step) => [2, step]),
  ]);
});
