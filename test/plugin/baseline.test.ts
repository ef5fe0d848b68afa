/** Runs without connections, to be compared with others: loss, norms, rate and step time are kept and shown, gains are not known. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { RunDetail, RunSummary, SeriesAnswer, StepAnswer } from '../../src/telemetry/api.ts';
import { runCommand } from '../support/commandLine.ts';
import { temporaryFolder } from '../support/folders.ts';
import { ranOf } from '../support/growing.ts';
import { recorded } from '../support/recorded.ts';
import { json, start } from '../support/service.ts';
import { upload } from '../support/uploads.ts';
import { bodyOf, sendJson, sendState, sendSteps } from '../support/wire.ts';

const RUN = 'base';

test('of JSON and of safetensors: recorded, shown, exported, uploaded and scraped, with no gain', async () => {
  const directory = temporaryFolder();
  const service = await start({ directory });
  const open = { state: 'open', attempt: 'first', streams: 4, order: [] };
  expect((await sendState(service, RUN, open)).answer).toEqual({ run: RUN, attempt: 1 });
  const scalars = { loss: 2.5, gradient_norm: 0.5, learning_rate: 1e-3, step_seconds: 0.25 };
  expect((await sendJson(service, RUN, { step: 1, attempt: 'first', order: [], ...scalars })).answer).toMatchObject({
    composite_gain: null,
  });
  const { header, sample } = ranOf(RUN, 2, []);
  expect((await sendSteps(service, RUN, [bodyOf(header, { ...sample, loss: 2 }, { tokens: '[0,1,2]' })])).status).toBe(200);
  for (let step = 3; step <= 100; step++) await sendJson(service, RUN, { step, attempt: 'first', order: [], ...scalars, loss: 2 / step });

  const latest = await json<StepAnswer>(service, `api/v1/runs/${RUN}/steps/latest`);
  expect(latest).toMatchObject({ step: 100, loss: 0.02, compositeGain: null, mapping: [], nonfinite: [], forecast: [] });
  expect(latest.measures['forwardGain']).toEqual([]);
  const detail = await json<RunDetail>(service, `api/v1/runs/${RUN}`);
  expect(detail).toMatchObject({
    attempt: 1,
    connections: [],
    kinds: [],
    limits: { gain: [] },
    lastCompositeGain: null,
    maxCompositeGain: null,
  });
  expect(await json<unknown[]>(service, `api/v1/runs/${RUN}/warnings`)).toEqual([]);
  const series = (measure: string) => json<SeriesAnswer>(service, `api/v1/runs/${RUN}/series?measure=${measure}&points=10`);
  expect((await series('loss')).series[0].max[0]).toBe(2.5);
  expect((await series('forwardGain')).series).toEqual([]);
  expect((await series('compositeGain')).series[0].max.every((value) => value === null)).toBe(true);

  const metrics = await (await fetch(`${service.url}metrics`)).text();
  expect(metrics).toContain(`mhc_training_loss{run="${RUN}"} 0.02`);
  expect(metrics).not.toMatch(/^mhc_composite_gain_ratio|^mhc_layer_|^mhc_monitor_errors_total\{run="base"\} [1-9]/m);

  await sendState(service, RUN, { state: 'closed', attempt: 'first', outcome: 'completed' });
  expect(await json<RunSummary[]>(service, 'api/v1/runs')).toMatchObject([{ run: RUN, connectionCount: 0, outcome: 'completed' }]);
  const { steps } = recorded(directory, RUN);
  expect(steps).toHaveLength(100);
  const { report } = steps[1];
  expect([report.loss, report.compositeGain, report.measures.length, report.nonfinite.length]).toEqual([2, null, 0, 0]);
  const file = join(directory, `${RUN}.sqlite`);
  const lines = (await runCommand(['export', file])).stdout.trim().split('\n');
  // One row for each step, with nothing in the columns of a connection.
  expect(lines).toHaveLength(101);
  expect(lines[1]).toMatch(/^base,1,1,[^,]+,0\.25,2\.5,0\.5,0\.001,,,,/);
  const other = await start();
  expect(await upload(other, readFileSync(file))).toEqual({ status: 201, body: { run: RUN } });
});

test('one that names connections later on gets them, with their n', async () => {
  const service = await start();
  await sendState(service, RUN, { state: 'open', attempt: 'first', streams: 1, order: [] });
  for (const names of [[], ['a', 'b'], []]) {
    const step = names.length === 0 ? (await json<RunDetail>(service, `api/v1/runs/${RUN}`)).connectionCount + 1 : 2;
    const { header, sample } = ranOf(RUN, step, names, 4);
    expect((await sendSteps(service, RUN, [bodyOf(header, sample)])).status).toBe(200);
  }
  const step = await json<StepAnswer>(service, `api/v1/runs/${RUN}/steps/latest`);
  expect(step).toMatchObject({ step: 3, compositeGain: null });
  expect(step.measures['forwardGain']).toEqual([1, 1]);
  expect(step.mapping[0]).toEqual([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]);
  expect(await json<RunDetail>(service, `api/v1/runs/${RUN}`)).toMatchObject({ attempt: 1, streams: 4, connectionCount: 2 });
  const metrics = await (await fetch(`${service.url}metrics`)).text();
  expect(metrics).toContain('streams="4"');
});
