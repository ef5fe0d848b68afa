import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { closeRun, handleReport, openRun } from '../../dist/plugin/pipeline/pipeline.js';
import { recordingPath } from '../../plugin/recorder/directory.ts';
import type { RunDetail, RunSummary, SeriesAnswer, StepAnswer } from '../../src/telemetry/api.ts';
import { fromWire } from '../../src/telemetry/wire.ts';
import { temporaryFolder } from '../support/folders.ts';
import { changeRecording } from '../support/recorded.ts';
import { headerOf, reportOf } from '../support/reports.ts';
import { testHeader, testReport } from '../support/samples.ts';
import { listenLocally } from '../support/servers.ts';
import { ask, json, start } from '../support/service.ts';
import { connectStream } from '../support/streamClient.ts';

const header = testHeader('hc');

describe('the interface', () => {
  test('runs, one run, the latest step and series say what was reported', async () => {
    const service = await start();
    expect(await json(service, 'api/v1/runs')).toEqual([]);
    const run = openRun(service.pipeline, header);
    const reports = Array.from({ length: 40 }, (_, i) => testReport(header, i + 1));
    for (const report of reports) handleReport(service.pipeline, run, report);
    await expect.poll(async () => (await json<RunSummary[]>(service, 'api/v1/runs'))[0]?.lastStep).toBe(40);
    const detail = await json<RunDetail>(service, 'api/v1/runs/hc');
    expect(detail).toMatchObject({ live: true, outcome: null, streams: 2, kinds: ['hc'], connections: header.connections });
    const latest = await json<StepAnswer>(service, 'api/v1/runs/hc/steps/latest');
    expect(latest.compositeGain).toBe(reports[39].compositeGain);
    expect(latest.measures['separation'].map(fromWire)).toEqual([...reports[39].measures.slice(13 * 3, 14 * 3)]);
    const series = await json<SeriesAnswer>(service, 'api/v1/runs/hc/series?measure=forwardGain&connection=block0.mlp&from=11&to=20');
    expect(series.steps).toEqual([11, 12, 13, 14, 15, 16, 17, 18, 19, 20]);
    expect(series.series).toEqual([
      { connection: 'block0.mlp', min: expect.anything(), max: reports.slice(10, 20).map((r) => Number(r.measures[1].toPrecision(6))) },
    ]);
    const few = await json<SeriesAnswer>(service, 'api/v1/runs/hc/series?measure=loss&points=4');
    expect(few.steps.length).toBeLessThanOrEqual(5);
    expect(few.series[0].max[0]).toBe(5);
    closeRun(service.pipeline, run, 'completed');
    expect(await json(service, 'api/v1/runs/hc')).toMatchObject({ live: false, outcome: 'completed' });
  });

  test.each([
    ['runs/none', 404, 'run'],
    ['runs/hc/series', 400, 'measure'],
    ['runs/hc/series?measure=gain', 400, 'measure'],
    ['runs/hc/series?measure=loss&from=x', 400, 'from'],
    ['runs/hc/series?measure=loss&from=9&to=3', 400, 'from'],
    ['runs/hc/series?measure=loss&points=0', 400, 'points'],
    ['runs/hc/series?measure=loss&pionts=9', 400, 'pionts'],
    ['runs/hc/series?measure=forwardGain&connection=nope', 400, 'connection'],
    ['runs/hc/steps/latest?x=1', 400, 'x'],
    ['nothing', 404, 'path'],
  ])('%s is answered with %i and names %s', async (path, status, field) => {
    const service = await start();
    const run = openRun(service.pipeline, header);
    handleReport(service.pipeline, run, testReport(header, 1));
    closeRun(service.pipeline, run, 'completed');
    const answer = await fetch(`${service.url}api/v1/${path}`);
    expect(answer.status).toBe(status);
    expect(await answer.json()).toEqual({
      error: { field, rule: expect.any(String), value: path.includes('?') || status === 404 ? expect.anything() : null },
    });
  });

  test('metrics by Accept and gzip; a page with a strict policy; health', async () => {
    const service = await start();
    handleReport(service.pipeline, openRun(service.pipeline, header), testReport(header, 1));
    const plain = await ask(service, '/metrics', { 'Accept-Encoding': 'gzip' });
    expect(plain.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(plain.headers['content-encoding']).toBe('gzip');
    const open = await ask(service, '/metrics', { Accept: 'application/openmetrics-text' });
    expect(open.headers['content-type']).toMatch(/^application\/openmetrics-text; version=1.0.0/);
    const page = await ask(service, '/');
    expect(page.body).toContain('<title>gainwatch</title>');
    expect(page.headers['content-security-policy']).toContain("default-src 'none'");
    expect(page.headers['content-security-policy']).not.toContain('unsafe');
    expect(page.headers['x-content-type-options']).toBe('nosniff');
    expect((await ask(service, '/healthz')).body).toBe('ok\n');
  });
});

describe('the forecast', () => {
  const rising = headerOf('hc');
  const report = (step: number) => reportOf(rising, step, { compositeGain: 2 * 1.01 ** step, mapping: new Float32Array(8 * 16) });

  test('of the newest step is in the latest step and in the stream, of a live run and of its recording', async () => {
    const service = await start();
    const run = openRun(service.pipeline, rising);
    handleReport(service.pipeline, run, report(1));
    const latest = () => json<StepAnswer>(service, 'api/v1/runs/a-run/steps/latest');
    await expect.poll(latest).toMatchObject({ step: 1, forecast: [] });
    const client = await connectStream(service);
    for (let step = 2; step <= 60; step++) handleReport(service.pipeline, run, report(step));
    const steps = (await client.events('step', 59)).map(({ data }) => data);
    // Of those that were committed together only the newest has one.
    expect(steps.slice(0, -1).map((step) => step.forecast)).toEqual(new Array(58).fill([]));
    const expected = run.detection.detectors.forecast;
    expect(expected.map(({ threshold }) => threshold)).toEqual([100, 1000]);
    expect(expected[0].steps).toBeGreaterThan(0);
    expect(steps[58].forecast).toEqual(expected);
    expect((await latest()).forecast).toEqual(expected);
    closeRun(service.pipeline, run, 'completed');
    expect((await latest()).forecast).toEqual(expected);
    const again = await (await connectStream(service, '', 'a-run:1:1')).events('step', 59);
    expect(again.map((e) => e.data.forecast)).toEqual(new Array(59).fill([]));
  });

  test('is "+Inf" where nothing rises, and none where the state is older than can be or of another version', async () => {
    const service = await start();
    const run = openRun(service.pipeline, rising);
    for (let step = 1; step <= 60; step++) handleReport(service.pipeline, run, { ...report(1), step });
    closeRun(service.pipeline, run, 'completed');
    const latest = async () => (await json<StepAnswer>(service, 'api/v1/runs/a-run/steps/latest')).forecast;
    expect(await latest()).toMatchObject([
      { threshold: 100, steps: '+Inf' },
      { threshold: 1000, steps: '+Inf' },
    ]);
    const path = recordingPath(service.pipeline.directory, 'a-run');
    const change = (what: string, value: number) =>
      changeRecording(path, `UPDATE detectors SET state = json_set(state, '$.${what}', ${value})`);
    change('forecast[0].steps', 12);
    change('step', 58);
    expect((await latest())[0].steps).toBe(10);
    change('step', 61);
    expect(await latest()).toEqual([]);
    change('step', 60);
    change('version', 0);
    expect(await latest()).toEqual([]);
    changeRecording(path, 'DELETE FROM detectors');
    expect(await latest()).toEqual([]);
  });
});

describe('access:', () => {
  test('a foreign Host is refused, except for /healthz; more names can be allowed', async () => {
    const service = await start({ allowHost: ['gpu-7.lab'] });
    for (const host of ['localhost:1', '127.0.0.1', '[::1]:9464', 'gpu-7.lab', 'GPU-7.lab:80'])
      expect((await ask(service, '/metrics', { Host: host })).status, host).toBe(200);
    for (const host of ['evil.example', 'localhost.evil.example']) {
      const answer = await ask(service, '/metrics', { Host: host });
      expect(answer.status, host).toBe(421);
      expect(answer.body).toContain('--allow-host');
    }
    expect((await ask(service, '/healthz', { Host: 'evil.example' })).status).toBe(200);
  });

  test('a path of another method is refused with both', async () => {
    const service = await start();
    const answer = await fetch(`${service.url}api/v1/runs/a/steps`);
    expect(answer.status).toBe(404);
    expect(await answer.json()).toMatchObject({ error: { field: 'path', value: 'GET /runs/a/steps' } });
  });

  test.each([
    [{ host: '0.0.0.0' }, /host 0.0.0.0 can be reached from other machines: give a token/],
    [{ allowHost: ['*'] }, /allow-host '\*' needs a token/],
    [{ token: 'short' }, /token .* at least 8/],
    [{ decideToken: 'short' }, /decide-token \(--decide-token, GAINWATCH_DECIDE_TOKEN\) must be at least 8/],
    ...['x/', '/a/../b', '/a/./b', '/..', '/./a', '/a//b', '//a', '/a/...', '/a?b', '/a%2e'].map((basePath): [object, RegExp] => [
      { basePath },
      new RegExp(`base-path must look like /gainwatch.* got ${basePath.replace(/[.?]/g, '\\$&')}$`),
    ]),
  ])('%j does not start', async (change, message) => {
    await expect(start(change)).rejects.toThrow(message);
  });

  test('lives below a base path', async () => {
    const service = await start({ basePath: '/watch' });
    expect(service.url).toMatch(/\/watch\/$/);
    expect((await ask(service, '/watch/')).body).toContain('gainwatch');
    expect((await ask(service, '/watch')).headers['location']).toBe('/watch/');
    expect((await ask(service, '/watch/metrics')).status).toBe(200);
    expect((await ask(service, '/metrics')).status).toBe(404);
  });
});

test('a port that is taken: an error that names it where it was given, else the next one and a note', async () => {
  const port = await listenLocally();
  await expect(start({ port })).rejects.toThrow(`port ${port} on 127.0.0.1 is taken by another program: choose another (--port`);
  const next = await start({ port, portGiven: false });
  expect(next.port).toBeGreaterThan(port);
  expect(next.note).toBe(`port ${port} is taken, serving on ${next.port}`);
});

test('a file that is no recording does not hide the others, and is named once, with the reason', async () => {
  const directory = temporaryFolder();
  writeFileSync(join(directory, 'broken.sqlite'), 'x'.repeat(5000));
  const service = await start({ directory });
  closeRun(service.pipeline, openRun(service.pipeline, header), 'completed');
  for (let asked = 0; asked < 2; asked++) expect((await json<RunSummary[]>(service, 'api/v1/runs')).map((r) => r.run)).toEqual(['hc']);
  expect(service.problems).toEqual([
    expect.stringMatching(/^run broken is not listed: it has a recording that cannot be read: broken\.sqlite is not a gainwatch recording/),
  ]);
  const broken = await fetch(`${service.url}api/v1/runs/broken`);
  expect(broken.status).toBe(500);
  expect(await broken.text()).toContain('not a gainwatch recording');
});
