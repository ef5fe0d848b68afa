/** What is loaded of a run, and what becomes of it while steps come. The server and the view are made up. */
import { beforeEach, expect, it, vi } from 'vitest';
import { toStepAnswer } from '../../src/telemetry/answer.ts';
import type { WarningAnswer } from '../../src/telemetry/api.ts';
import { headerOf, reportOf } from '../support/reports.ts';

const SMALL = { ...headerOf('hc', 2), run: 'hc' };
const LARGE = { ...headerOf('hc', 3), run: 'hc' };
let header = SMALL;
const stepOf = (step: number, of = header) =>
  toStepAnswer(of, 1, reportOf(of, step, { mapping: new Float32Array(16 * of.connections.length) }));
const view = { value: { run: 'hc', compare: [], from: null as number | null, to: null as number | null, follow: true } };
let recorded = 0;
let warnings: WarningAnswer[] = [];
const api = {
  RequestError: class extends Error {},
  askRun: vi.fn(async () => ({ run: 'hc', attempt: 1, lastStep: recorded, connections: header.connections, live: true, outcome: null })),
  askLatest: vi.fn(async () => stepOf(recorded)),
  askWarnings: vi.fn(async () => warnings),
  askSeries: vi.fn(async (_run: string, measure: string, _points: number, range: { from: number | null; to: number | null }) => {
    const steps = Array.from({ length: recorded }, (_, i) => i + 1).filter(
      (step) => step >= (range.from ?? 0) && step <= (range.to ?? Number.POSITIVE_INFINITY),
    );
    const bucket = Math.ceil(steps.length / 400);
    const kept = steps.filter((_, i) => i % bucket === 0);
    const names = measure === 'loss' ? [''] : header.connections.map(({ name }) => name);
    const series = names.map((connection) => ({ connection, min: kept.map(() => 1), max: kept.map(() => 1) }));
    return { run: 'hc', measure, bucket, steps: kept, times: [...kept], series };
  }),
};
vi.mock('../../dashboard/state/requests.ts', () => api);
vi.mock('../../dashboard/state/redraw.ts', () => ({ redraw: () => {} }));
vi.mock('../../dashboard/state/viewState.ts', () => ({
  view,
  shownRange: ({ from, to }: { from: number | null; to: number | null }) => ({ from, to }),
}));

const fresh = async (steps: number) => {
  vi.resetModules();
  recorded = steps;
  header = SMALL;
  warnings = [];
  Object.assign(view.value, { from: null, to: null });
  const store = await import('../../dashboard/state/store.ts');
  store.dataOf('hc');
  await vi.waitFor(() => expect(store.dataOf('hc')).not.toBeNull());
  const train = (to: number) => {
    while (recorded < to) store.addStep(store.dataOf('hc')!, stepOf(++recorded));
  };
  const points = async () => {
    store.bandsFor('hc', 'loss');
    await new Promise((resolve) => setTimeout(resolve, 5));
    return store.bandsFor('hc', 'loss')!.steps;
  };
  return { ...store, train, points };
};

beforeEach(() => vi.clearAllMocks());

it('adds steps to what is open, and holds no more of them than are drawn, however long nobody looks', async () => {
  const { train, points, data } = await fresh(100);
  expect(await points()).toHaveLength(100);
  train(150);
  expect(await points()).toHaveLength(150);
  train(20_000);
  expect([...data.get('hc')!.series.values()].find(({ wanted }) => wanted.measure === 'loss')!.bands!.steps.length).toBeLessThanOrEqual(
    600,
  );
  const steps = await points();
  expect(steps[0]).toBe(1);
  expect(steps.at(-1)).toBeGreaterThan(20_000 - 51);
});

it('has no hole after a look at other steps, and adds nothing to those', async () => {
  const { train, points } = await fresh(50);
  await points();
  Object.assign(view.value, { from: 10, to: 20 });
  expect(await points()).toHaveLength(11);
  train(90);
  expect(await points()).toHaveLength(11);
  Object.assign(view.value, { from: null, to: null });
  expect(await points()).toHaveLength(90);
  // The same for a measure that nobody asked for meanwhile.
  Object.assign(view.value, { from: 10, to: 20 });
  train(120);
  Object.assign(view.value, { from: null, to: null });
  expect(await points()).toEqual(Array.from({ length: 120 }, (_, i) => i + 1));
});

it('takes what comes while it asks, and does not go back to a step that was there', async () => {
  const { train, bandsFor, addStep, dataOf } = await fresh(10);
  bandsFor('hc', 'loss');
  train(12);
  addStep(dataOf('hc')!, stepOf(7));
  expect(dataOf('hc')!.latest!.step).toBe(12);
  await vi.waitFor(() => expect(bandsFor('hc', 'loss')?.steps.at(-1)).toBe(12));
});

it('keeps a warning that comes while older ones are asked for', async () => {
  const warning = (id: number, active: boolean) => ({ run: 'hc', id, active }) as WarningAnswer;
  const { updateWarning, reloadAll, dataOf } = await fresh(10);
  warnings = [warning(0, true)];
  reloadAll();
  updateWarning(warning(0, false));
  updateWarning(warning(1, true));
  await vi.waitFor(() =>
    expect(dataOf('hc')!.warnings.map(({ id, active }) => [id, active])).toEqual([
      [0, false],
      [1, true],
    ]),
  );
});

it('takes the connections that a run gets with a step, and never a step as of others', async () => {
  const { addStep, bandsFor, dataOf, reloadRun } = await fresh(10);
  const gain = () => bandsFor('hc', 'forwardGain');
  await vi.waitFor(() => expect(gain()?.bands).toHaveLength(2));
  // A step of three comes before anything else says so.
  header = LARGE;
  recorded = 11;
  addStep(dataOf('hc')!, stepOf(11));
  expect(dataOf('hc')!.latest!.step).toBe(10);
  await vi.waitFor(() => expect(dataOf('hc')!.detail.connections).toHaveLength(3));
  await vi.waitFor(() => expect(gain()?.bands).toHaveLength(3));
  expect([gain()!.steps.at(-1), dataOf('hc')!.latest!.nonfinite.length]).toEqual([11, 3]);
  addStep(dataOf('hc')!, stepOf(12));
  expect(gain()!.bands.map(({ max }) => max.length)).toEqual([12, 12, 12]);
  // One of before, which was under way.
  addStep(dataOf('hc')!, stepOf(13, SMALL));
  expect([dataOf('hc')!.latest!.step, gain()!.steps.at(-1)]).toEqual([12, 12]);
  // The answers may be of different times: asked again until they fit.
  recorded = 13;
  api.askLatest.mockImplementationOnce(async () => stepOf(13, SMALL));
  reloadRun('hc');
  await vi.waitFor(() => expect(dataOf('hc')!.latest!.step).toBe(13));
  expect(dataOf('hc')!.latest!.nonfinite).toHaveLength(3);
});
