/** A run that one process sends: its measures, its attempts, its end. */
import { expect, test, vi } from 'vitest';
import type { Service } from '../../dist/plugin/service.js';
import { closeRank, sweep } from '../../plugin/ingest/lifecycle.ts';
import { analyse } from '../../src/telemetry/analyse.ts';
import type { RunDetail, StepAnswer } from '../../src/telemetry/api.ts';
import { temporaryFolder } from '../support/folders.ts';
import { transposed } from '../support/matrices.ts';
import { startIngest } from '../support/pipelines.ts';
import { recorded } from '../support/recorded.ts';
import { testHeader, testSample } from '../support/samples.ts';
import { ask, json, start } from '../support/service.ts';
import { bodyOf, expectMeasures, sendJson, sendState, sendSteps } from '../support/wire.ts';

const header = testHeader('sent', 6, 4, 8);
const bodiesOf = (steps: readonly number[], attempt = 'first') =>
  steps.map((step) => bodyOf(header, testSample(header, step), {}, attempt));
const latest = (service: Service) => json<StepAnswer>(service, 'api/v1/runs/sent/steps/latest');

test('has the measures that its matrices have here, its scalars and its memory', async () => {
  const service = await start();
  const samples = [1, 2, 3].map((step) => testSample(header, step));
  const sent = await sendSteps(service, 'sent', bodiesOf([1, 2, 3]));
  expect(sent).toMatchObject({ status: 200, answer: { accepted: 3, duplicates: 0, late: 0, warnings: [] } });
  const answer = await latest(service);
  const report = analyse(header, samples[2]);
  expectMeasures(answer, report);
  expect(answer).toMatchObject({ step: 3, loss: samples[2].loss, learningRate: 1e-3, compositeGain: report.compositeGain });
  expect(answer.memory?.totals).toEqual({ allocated: 12345, parameters: 400 });
  expect(answer.memory?.connections.parameters).toEqual([1000, 1001, 1002, 1003, 1004, 1005]);
  expect(sent.answer['composite_gain']).toBe(report.compositeGain);
});

test('comb is transposed', async () => {
  const service = await start();
  const sample = testSample(header, 1);
  const mappings = Float32Array.from(transposed(Float64Array.from(sample.mappings), 4));
  await sendSteps(service, 'sent', [bodyOf(header, { ...sample, mappings }, { orientation: 'comb' })]);
  expectMeasures(await latest(service), analyse(header, sample));
});

test('is acknowledged once it is in the recording, and a step is taken once', async () => {
  const service = await start();
  const bodies = bodiesOf([1, 2]);
  await sendSteps(service, 'sent', bodies);
  expect(recorded(service.pipeline.directory, 'sent').steps.map(({ report }) => report.step)).toEqual([1, 2]);
  const again = await sendSteps(service, 'sent', [...bodies, ...bodiesOf([3])]);
  expect(again.answer).toMatchObject({ accepted: 1, duplicates: 2, late: 0 });
  const { body } = await ask(service, '/metrics');
  expect(body).toContain('mhc_training_steps_total{run="sent"} 3');
  expect(body).toContain('mhc_ingest_records_total{run="sent",result="duplicates"} 2');
});

test('goes on in the same attempt after the monitor was started anew', async () => {
  const directory = temporaryFolder();
  const first = await start({ directory });
  const bodies = bodiesOf(Array.from({ length: 20 }, (_, i) => i + 1));
  await sendSteps(first, 'sent', bodies.slice(0, 12));
  await first.close();
  const second = await start({ directory });
  const sent = await sendSteps(second, 'sent', bodies.slice(9));
  expect(sent.answer).toMatchObject({ accepted: 8, duplicates: 3, late: 0 });
  expect(await json<RunDetail>(second, 'api/v1/runs/sent')).toMatchObject({ attempt: 1, live: true, lastStep: 20 });
  const series = await json<{ steps: number[] }>(second, 'api/v1/runs/sent/series?measure=loss&points=2');
  expect(series.steps[0]).toBe(1);
});

test('of which nothing was heard for an hour has ended, and goes on in the same attempt with its next step', async () => {
  let now = 5_000_000;
  const { pipeline, ingest, problems, handle } = await startIngest({ now: () => now });
  const take = async (step: number) => {
    const { accepted, committed } = handle(bodiesOf([step])[0]);
    vi.advanceTimersByTime(200);
    return [accepted === 1 ? 'accepted' : 'duplicates', ...(await Promise.all(committed))];
  };
  await take(1);
  now += 3_600_001;
  sweep(ingest);
  expect(pipeline.live.get('sent')).toMatchObject({ outcome: 'unknown' });
  expect(await take(1)).toEqual(['duplicates', 'committed']);
  expect(await take(2)).toEqual(['accepted', 'committed']);
  expect(pipeline.live.get('sent')).toMatchObject({ attempt: 1, outcome: null, last: { step: 2 } });
  closeRank(ingest, 'sent', { attempt: 'first', rank: 0, worldSize: 1, stage: 0, stages: 1, replica: null }, 'completed');
  expect(await take(2)).toEqual(['duplicates', 'committed']);
  await expect(take(3)).rejects.toThrow('this one is over');
  now += 60_001;
  sweep(ingest);
  expect([ingest.runs.size, pipeline.live.size]).toEqual([0, 0]);
  expect(problems).toEqual([]);
});

test('begins a new attempt by its name, or by a step back where it has none; the counter of steps never goes down', async () => {
  const service = await start();
  const attemptOf = async () => (await json<RunDetail>(service, 'api/v1/runs/sent')).attempt;
  const steps = async () => Number(/mhc_training_steps_total\{run="sent"\} (\d+)/.exec((await ask(service, '/metrics')).body)?.[1]);
  await sendSteps(service, 'sent', bodiesOf([5, 6, 7], 'a'));
  expect(await attemptOf()).toBe(1);
  expect(await steps()).toBe(7);
  await sendSteps(service, 'sent', bodiesOf([6, 7], 'a.1')); // as a sender of before names the next attempt of a training
  expect(await attemptOf()).toBe(2);
  expect(await steps()).toBe(9);
  const late = await sendSteps(service, 'sent', bodiesOf([8], 'a'));
  expect(late).toMatchObject({ status: 409, answer: { error: { field: 'step', value: 8 } } });
  expect((await sendSteps(service, 'sent', bodiesOf([5, 6, 7], 'a'))).answer).toMatchObject({ accepted: 0, duplicates: 3 });

  const plain = (step: number, gain = 1) => sendJson(service, 'plain', { step, order: ['a'], measures: { forwardGain: [gain] } });
  for (const step of [1, 2, 3, 3, 1, 2]) await plain(step); // those that come again have the same values
  expect(await json<RunDetail>(service, 'api/v1/runs/plain')).toMatchObject({ attempt: 1, lastStep: 3 });
  for (const step of [2, 3]) await plain(step, 1.5);
  expect(await json<RunDetail>(service, 'api/v1/runs/plain')).toMatchObject({ attempt: 2, lastStep: 3 });
});

test('is opened and closed', async () => {
  const service = await start();
  const place = { attempt: 'x', rank: 0 };
  const order = header.connections.map((c) => c.name);
  const state = { state: 'open', ...place, streams: 4, tokens: 8, order, kinds: Array(6).fill('mhc') };
  expect(await sendState(service, 'sent', state)).toEqual({ status: 200, answer: { run: 'sent', attempt: 1 } });
  expect(await json<RunDetail>(service, 'api/v1/runs/sent')).toMatchObject({ live: true, kinds: ['mhc'] });
  await sendSteps(service, 'sent', bodiesOf([1], 'x'));
  await sendState(service, 'sent', { state: 'closed', ...place, outcome: 'completed' });
  expect(await json<RunDetail>(service, 'api/v1/runs/sent')).toMatchObject({ live: false, outcome: 'completed', lastStep: 1 });
  // Once more, by the same name: a job that was started again.
  expect((await sendState(service, 'sent', state)).answer).toMatchObject({ attempt: 1 });
  const again = await sendSteps(service, 'sent', bodiesOf([1, 2], 'x'));
  expect(again.answer).toMatchObject({ accepted: 1, duplicates: 1 });
  // Without a name a step is the current attempt's, and begins one where that has ended.
  const plain = () => sendJson(service, 'sent', { step: 1, order: ['a'], measures: { forwardGain: [1] } });
  expect(await plain()).toMatchObject({ status: 409, answer: { error: { field: 'order' } } });
  await sendState(service, 'sent', { state: 'closed', ...place });
  expect((await plain()).answer).toMatchObject({ accepted: 1, late: 0 });
  expect(await json<RunDetail>(service, 'api/v1/runs/sent')).toMatchObject({ attempt: 2, tokens: 1 });
});

test('of ready-made measures: those and G, null and "NaN" where there is none', async () => {
  const service = await start();
  const sent = await sendJson(service, 'curl', {
    step: 4,
    loss: 'NaN',
    order: ['a', 'b'],
    measures: { compositeForwardGain: [1.5, 7], compositeBackwardGain: [2, null], rowDeviation: ['+Inf', 0] },
  });
  expect(sent.status).toBe(200);
  const answer = await json<StepAnswer>(service, 'api/v1/runs/curl/steps/latest');
  expect(answer).toMatchObject({ compositeGain: 7, loss: 'NaN' });
  expect(answer.measures['rowDeviation']).toEqual(['+Inf', 0]);
  expect(answer.measures['compositeBackwardGain']).toEqual([2, 'NaN']);
});
