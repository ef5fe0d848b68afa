/** A run that many processes send: pipeline stages, data-parallel ranks, ranks that stay away. */
import { expect, test, vi } from 'vitest';
import type { Service } from '../../dist/plugin/service.js';
import { reduce } from '../../plugin/ingest/reduce.ts';
import { analyse } from '../../src/telemetry/analyse.ts';
import type { RunDetail, StepAnswer } from '../../src/telemetry/api.ts';
import { OVER_DEPTH } from '../../src/telemetry/catalogue.ts';
import { startIngest } from '../support/pipelines.ts';
import { testHeader, testReport, testSample } from '../support/samples.ts';
import { ask, json, start } from '../support/service.ts';
import { bodyOf, expectMeasures, partOf, sendState, sendSteps } from '../support/wire.ts';

const header = testHeader('sent', 6, 4, 8);
const latest = (service: Service) => json<StepAnswer>(service, 'api/v1/runs/sent/steps/latest');

test('a run goes on while a rank that had closed is open again', async () => {
  const service = await start();
  const order = header.connections.map(({ name }) => name);
  const put = (rank: number, state: object) => sendState(service, 'sent', { attempt: 'x', rank, world_size: 2, ...state });
  const open = { state: 'open', streams: 4, order };
  for (const rank of [0, 1]) await put(rank, open);
  await put(0, { state: 'closed' });
  await put(0, open);
  await put(1, { state: 'closed' });
  expect(await json<RunDetail>(service, 'api/v1/runs/sent')).toMatchObject({ live: true });
});

const sample = testSample(header, 1);
const halves = [
  { ...partOf(header, sample, 0, 3), stage: 0 },
  { ...partOf(header, sample, 3, 6), stage: 1 },
];
const positions = JSON.stringify([0, 1, 2, 3, 4, 5, 6, 7]);
const ofStage = (stage: number, change: Record<string, string> = {}) =>
  bodyOf(halves[stage].header, halves[stage].sample, {
    rank: String(stage),
    world_size: '2',
    stage: String(stage),
    stages: '2',
    tokens: positions,
    ...change,
  });

test('two pipeline stages equal one process with all connections', async () => {
  const service = await start();
  const sent = await Promise.all([1, 0].map((stage) => sendSteps(service, 'sent', [ofStage(stage)])));
  expect(sent.map(({ answer }) => answer['accepted'])).toEqual([1, 1]);
  const answer = await latest(service);
  expectMeasures(answer, analyse(header, sample));
  expect((await json<RunDetail>(service, 'api/v1/runs/sent')).connections.map((c) => c.name)).toEqual(
    header.connections.map((c) => c.name),
  );
});

test('stages that sampled different tokens have their own measures, no composite gain, and are counted', async () => {
  const service = await start();
  await Promise.all([ofStage(0), ofStage(1, { tokens: '[0,1,2,3,4,5,6,9]' })].map((body) => sendSteps(service, 'sent', [body])));
  const answer = await latest(service);
  expectMeasures(answer, analyse(header, sample), OVER_DEPTH);
  expect(answer.compositeGain).toBe(null);
  expect((await ask(service, '/metrics')).body).toContain('mhc_ingest_token_mismatches_total{run="sent"} 1');
});

test('two data-parallel ranks equal one process with the tokens of both; the largest and its rank are kept', async () => {
  const service = await start({ rankLabel: true });
  const samples = [testSample(header, 1), testSample(header, 2)].map((one) => ({ ...one, step: 1, memory: null }));
  await Promise.all(samples.map((one, rank) => sendSteps(service, 'sent', [bodyOf(header, one, { rank: String(rank), world_size: '2' })])));
  const layers = header.connections.length;
  const interleaved = (of: (one: (typeof samples)[0]) => Float32Array) => {
    const size = of(samples[0]).length / layers;
    return Float32Array.from({ length: 2 * layers * size }, (_, k) => {
      const [l, r, at] = [Math.floor(k / (2 * size)), Math.floor(k / size) % 2, k % size];
      return of(samples[r])[l * size + at];
    });
  };
  const both = {
    ...samples[0],
    mappings: interleaved((one) => one.mappings),
    grams: interleaved((one) => one.grams!),
    inputSquares: interleaved((one) => one.inputSquares!),
  };
  const together = analyse({ ...header, tokens: 16 }, both);
  expectMeasures(await latest(service), together);
  const gains = samples.map((one) => analyse(header, one));
  const { body } = await ask(service, '/metrics');
  const [layer] = header.connections;
  const largest = gains.map(({ measures }) => measures[0]);
  const of = (name: string) => Number(new RegExp(`${name}\\{run="sent",layer="${layer.name}"\\} (\\S+)`).exec(body)?.[1]);
  expect(of('mhc_layer_forward_gain_largest_ratio')).toBeCloseTo(Math.max(...largest), 6);
  expect(of('mhc_layer_forward_gain_largest_rank')).toBe(largest[1] > largest[0] ? 1 : 0);
  for (const rank of [0, 1]) {
    const value = Number(new RegExp(`mhc_rank_composite_gain_ratio\\{run="sent",rank="${rank}"\\} (\\S+)`).exec(body)?.[1]);
    expect(value).toBeCloseTo(gains[rank].compositeGain!, 6);
  }
});

test('a mapping that one rank does not know is that of the others', () => {
  const [known, other] = [1, 2].map((step) => testReport(header, step));
  const reports = [known, { ...other, mapping: other.mapping.map(() => Number.NaN) }];
  expect(reduce(header, [0, 1], reports).mapping).toEqual(known.mapping);
});

test('a rank that stays away is waited for some seconds, counted, and then no more', async () => {
  const { pipeline, ingest, handle } = await startIngest({ recorder: null, now: () => Date.now() });
  const take = (rank: number, step: number) =>
    handle(bodyOf(header, { ...testSample(header, step), step }, { rank: String(rank), world_size: '2' }));
  await Promise.all([0, 1].flatMap((rank) => take(rank, 1).committed));
  const { counts, live } = ingest.runs.get('sent')!;
  const waiting = [2, 3, 4].map((step) => take(0, step));
  vi.advanceTimersByTime(2900);
  expect(live!.last?.step).toBe(1);
  vi.advanceTimersByTime(900);
  expect(live!.last?.step).toBe(4);
  expect(await Promise.all(waiting.flatMap(({ committed }) => committed))).toEqual(['unrecorded', 'unrecorded', 'unrecorded']);
  expect(() => take(1, 3)).toThrow('put together without rank 1');
  expect(counts).toMatchObject({ accepted: 5, late: 1, stragglers: 3 });
  // What the rank that is away has counted stays in it: 4 ms of the one, 1 ms of the other.
  expect(live!.monitor.overheadSeconds).toBe(0.005);
  take(0, 5);
  expect(pipeline.live.get('sent')!.last?.step).toBe(5);
});

test('steps of a run whose other stage never comes are dropped when the next attempt begins', async () => {
  const { handle, ingest } = await startIngest({ recorder: null });
  const first = handle(ofStage(0), 'key');
  expect(ingest.waitingBytes).toBeGreaterThan(0);
  handle(bodyOf(header, sample, {}, 'second'), 'key');
  expect([...(await Promise.all(first.committed)), ingest.waitingBytes, ingest.runs.get('sent')!.live!.last?.step]).toEqual([
    'dropped',
    0,
    1,
  ]);
});

test('a step that was refused because too much waits is no step: sent again, it is taken', async () => {
  const { ingest, handle } = await startIngest({ recorder: null, now: () => Date.now() });
  const send = (step: number) => handle(bodyOf(header, { ...sample, step }, { rank: '0', world_size: '2' }));
  Object.assign(ingest.limits, { waitingBytes: 2 ** 30 });
  const first = send(1);
  Object.assign(ingest.limits, { waitingBytes: ingest.waitingBytes });
  expect(() => send(2)).toThrow('must wait');
  vi.advanceTimersByTime(60_000); // the first step is assembled without the other rank
  expect(await Promise.all(first.committed)).toEqual(['unrecorded']);
  expect(send(2).accepted).toBe(1);
  expect(ingest.runs.get('sent')!.live!.errors).toBe(0);
});
