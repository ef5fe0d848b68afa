/** Ranks that send the newer steps first: the older ones wait for their ranks as long as any. */
import { expect, test, vi } from 'vitest';
import { startIngest } from '../support/pipelines.ts';
import { recorded } from '../support/recorded.ts';
import { testHeader, testSample } from '../support/samples.ts';
import { bodyOf } from '../support/wire.ts';

const header = { ...testHeader('hc'), run: 'sent' };

test('a rank that is two seconds behind with an older step is not late', async () => {
  let monotonic = 0;
  const { handle, directory } = await startIngest({ now: () => 5_000_000, monotonic: () => monotonic });
  const take = (rank: number, step: number) => handle(bodyOf(header, testSample(header, step), { rank: String(rank), world_size: '2' }));
  const pass = (ms: number) => {
    for (let at = 0; at < ms; at += 50) {
      monotonic += 50;
      vi.advanceTimersByTime(50);
    }
  };
  for (const rank of [0, 1]) take(rank, 5);
  pass(1000);
  take(0, 1);
  for (const rank of [0, 1]) take(rank, 6);
  pass(2000);
  expect(take(1, 1)).toMatchObject({ accepted: 1 });
  pass(1000);
  expect(recorded(directory, 'sent').steps.map(({ report }) => report.step)).toEqual([1, 5, 6]);
});
