/** When the lines of the open connection are asked for, and again. The server, the store and the clock are made up. */
import { afterAll, beforeEach, expect, it, vi } from 'vitest';
import type { StepAnswer } from '../../src/telemetry/api.ts';

const STEPS = [0, 1, 2, 3];
const askSeries = vi.fn();
const known = {
  detail: { attempt: 0, lastStep: 3, connections: [{ name: 'a' }] },
};
class AskError extends Error {
  readonly status = 400;
}
vi.mock('../../dashboard/state/requests.ts', () => ({ askSeries, AskError }));
vi.mock('../../dashboard/state/redraw.ts', () => ({ redraw: () => {} }));
vi.mock('../../dashboard/state/store.ts', () => ({ dataOf: () => known }));
vi.mock('../../dashboard/state/viewState.ts', () => ({
  shownRange: () => ({ from: null, to: null }),
  view: { value: { from: null, to: null, follow: true } },
}));
vi.useFakeTimers();
const { addToSparks, forgetSparks, sparksOf } = await import('../../dashboard/state/sparks.ts');

const answer = (steps: number[]) => {
  const values = steps.map(() => 1);
  return { run: 'hc', measure: 'gain', bucket: 1, steps, times: [...steps], series: [{ connection: 'a', min: values, max: values }] };
};
const render = () => sparksOf('hc', 'a', ['gain']).get('gain');
const stepOf = (step: number, gain: number) => ({ run: 'hc', step, time: step, measures: { gain: [gain] } }) as unknown as StepAnswer;

beforeEach(() => {
  askSeries.mockReset();
  known.detail.attempt++;
});
afterAll(() => vi.useRealTimers());

it('takes every step, also those that come while it asks, and never has many points', async () => {
  askSeries.mockImplementation(async () => answer([...STEPS]));
  expect(render()).toBeUndefined();
  addToSparks(stepOf(4, 2));
  await vi.advanceTimersByTimeAsync(300);
  expect(render()!.steps).toEqual([0, 1, 2, 3, 4]);
  for (let step = 5; step <= 5000; step++) addToSparks(stepOf(step, step === 2500 ? 9 : 1));
  const { steps, bands, bucket } = render()!;
  expect(steps.length).toBeLessThanOrEqual(80);
  expect(steps.length).toBeGreaterThan(30);
  expect(Math.max(...steps.slice(1).map((step, i) => step - steps[i]))).toBeLessThan(2 * bucket);
  // The one peak is not lost.
  expect(bands[0].max.filter((value) => value === 9)).toHaveLength(1);
  expect(askSeries).toHaveBeenCalledTimes(1);
});

it('asks again after the stream was away', async () => {
  askSeries.mockImplementation(async () => answer([...STEPS]));
  render();
  await vi.advanceTimersByTimeAsync(300);
  forgetSparks();
  askSeries.mockImplementation(async () => answer([0, 300, 600]));
  render();
  await vi.advanceTimersByTimeAsync(300);
  expect(render()!.steps).toEqual([0, 300, 600]);
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
