/** When the courses of the open connection are asked for, and again, and what else is kept. The server and the clock are made up. */
import { afterAll, beforeEach, expect, it, vi } from 'vitest';
import type { SeriesOwner, Wanted } from '../../dashboard/state/seriesCache.ts';
import type { RunDetail, StepAnswer } from '../../src/telemetry/api.ts';

const STEPS = [0, 1, 2, 3];
const askSeries = vi.fn();
class RequestError extends Error {
  readonly status = 400;
}
vi.mock('../../dashboard/state/requests.ts', () => ({ askSeries, RequestError }));
vi.mock('../../dashboard/state/redraw.ts', () => ({ redraw: () => {} }));
vi.mock('../../dashboard/state/viewState.ts', () => ({
  shownRange: () => ({ from: null, to: null }),
  view: { value: { from: null, to: null, follow: true } },
}));
vi.useFakeTimers();
const { addToSeries, forgetSeries, loadedOf } = await import('../../dashboard/state/seriesCache.ts');

let owner: SeriesOwner;
const answer = (steps: number[]) => {
  const values = steps.map(() => 1);
  return { run: 'hc', measure: 'gain', bucket: 1, steps, times: [...steps], series: [{ connection: 'a', min: values, max: values }] };
};
const wanted: Wanted = { kind: 'course', measure: 'gain', connection: 'a', range: null };
const render = () => loadedOf(owner, wanted).bands;
const stepOf = (step: number, gain: number) => ({ run: 'hc', step, time: step, measures: { gain: [gain] } }) as unknown as StepAnswer;

beforeEach(() => {
  askSeries.mockReset();
  owner = { detail: { run: 'hc', lastStep: 3, connections: [{ name: 'a' }, { name: 'b' }] } as unknown as RunDetail, series: new Map() };
});
afterAll(() => vi.useRealTimers());

it('takes every step, also those that come while it asks, and never has many points', async () => {
  askSeries.mockImplementation(async () => answer([...STEPS]));
  expect(render()).toBeNull();
  addToSeries(owner, stepOf(4, 2));
  await vi.advanceTimersByTimeAsync(300);
  expect(render()!.steps).toEqual([0, 1, 2, 3, 4]);
  for (let step = 5; step <= 5000; step++) addToSeries(owner, stepOf(step, step === 2500 ? 9 : 1));
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
  forgetSeries(owner);
  askSeries.mockImplementation(async () => answer([0, 300, 600]));
  render();
  await vi.advanceTimersByTimeAsync(300);
  expect(render()!.steps).toEqual([0, 300, 600]);
});

it('asks again some seconds after the connection was lost, not after a refusal', async () => {
  askSeries.mockRejectedValueOnce(new TypeError('Failed to fetch'));
  render();
  await vi.advanceTimersByTimeAsync(300);
  expect(render()).toBeNull();
  askSeries.mockRejectedValueOnce(new RequestError('measure must be one of …'));
  await vi.advanceTimersByTimeAsync(5000);
  expect([render(), askSeries.mock.calls.length]).toEqual([null, 1]);
  await vi.advanceTimersByTimeAsync(10_000);
  expect([render(), askSeries.mock.calls.length]).toEqual([null, 2]);
  await vi.advanceTimersByTimeAsync(10_000);
  expect([render(), askSeries.mock.calls.length]).toEqual([null, 2]);
});

it('keeps the courses of one connection, and what is around one warning as far as it reaches', async () => {
  askSeries.mockImplementation(async () => answer([...STEPS]));
  const around = (from: number, to: number): Wanted => ({ kind: 'around', measure: 'gain', connection: 'a', range: { from, to } });
  render();
  loadedOf(owner, around(0, 5));
  loadedOf(owner, { ...wanted, connection: 'b' });
  expect([...owner.series.values()].map(({ wanted: { kind, connection } }) => `${kind} ${connection}`)).toEqual(['around a', 'course b']);
  await vi.advanceTimersByTimeAsync(300);
  for (let step = 4; step < 9; step++) addToSeries(owner, stepOf(step, 1));
  expect(loadedOf(owner, around(0, 5)).bands!.steps).toEqual([0, 1, 2, 3, 4, 5]);
  loadedOf(owner, around(2, 7));
  expect(owner.series.size).toBe(2);
});
