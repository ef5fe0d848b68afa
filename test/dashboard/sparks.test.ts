/** When the lines of the open connection are asked for, and again. The server, the store and the clock are made up. */
import { afterAll, beforeEach, expect, it, vi } from 'vitest';

const STEPS = [0, 1, 2, 3];
const askSeries = vi.fn();
const known = {
  detail: { attempt: 0, lastStep: 3, connections: [{ name: 'a' }] },
  latest: { step: 3, time: 3, measures: { gain: [1] } },
};
class AskError extends Error {
  readonly status = 400;
}
vi.mock('../../dashboard/api.ts', () => ({ askSeries, AskError }));
vi.mock('../../dashboard/redraw.ts', () => ({ redraw: () => {} }));
vi.mock('../../dashboard/store.ts', () => ({ dataOf: () => known }));
vi.mock('../../dashboard/viewState.ts', () => ({
  shownRange: () => ({ from: null, to: null }),
  view: { value: { from: null, to: null, follow: true } },
}));
vi.useFakeTimers();
const { sparksOf } = await import('../../dashboard/sparks.ts');

const answer = (steps: number[]) => {
  const values = steps.map(() => 1);
  return { run: 'hc', measure: 'gain', bucket: 1, steps, times: [...steps], series: [{ connection: 'a', min: values, max: values }] };
};
const render = () => sparksOf('hc', 'a', ['gain']).get('gain')?.steps;
const takeStep = (step: number) => Object.assign(known.latest, { step });

beforeEach(() => {
  askSeries.mockReset();
  known.detail.attempt++;
  takeStep(3);
});
afterAll(() => vi.useRealTimers());

it('appends what comes step by step, and asks again where steps were missed, but not often', async () => {
  askSeries.mockImplementation(async () => answer([...STEPS]));
  expect(render()).toBeUndefined();
  await vi.advanceTimersByTimeAsync(300);
  expect(render()).toEqual([0, 1, 2, 3]);
  takeStep(4);
  expect(render()).toEqual([0, 1, 2, 3, 4]);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(askSeries).toHaveBeenCalledTimes(1);

  takeStep(900);
  render();
  askSeries.mockImplementation(async () => answer([0, 300, 600, 900]));
  // What is there stays while it is asked again.
  expect(render()).toEqual([0, 1, 2, 3, 4, 900]);
  await vi.advanceTimersByTimeAsync(300);
  expect(render()).toEqual([0, 300, 600, 900]);
  takeStep(2000);
  for (let i = 0; i < 10; i++) render();
  await vi.advanceTimersByTimeAsync(1000);
  render();
  expect(askSeries).toHaveBeenCalledTimes(2);
});

it('asks again some seconds after the connection was lost, not after a refusal', async () => {
  askSeries.mockRejectedValueOnce(new TypeError('Failed to fetch'));
  render();
  await vi.advanceTimersByTimeAsync(300);
  expect(render()).toBeUndefined();
  askSeries.mockRejectedValueOnce(new AskError('measure must be one of …'));
  await vi.advanceTimersByTimeAsync(5000);
  expect([render(), askSeries.mock.calls.length]).toEqual([undefined, 1]);
  await vi.advanceTimersByTimeAsync(10_000);
  expect([render(), askSeries.mock.calls.length]).toEqual([undefined, 2]);
  await vi.advanceTimersByTimeAsync(10_000);
  expect([render(), askSeries.mock.calls.length]).toEqual([undefined, 2]);
});
