/** A recording dropped on the page: its way to a free name, to be only read; limits, and who goes away. Content: validateUpload.test.ts. */
import { existsSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import express from 'express';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { closeRun, createPipeline, handleReport, openRun } from '../../dist/plugin/pipeline/pipeline.js';
import { loadRecorder } from '../../dist/plugin/recorder/loadRecorder.js';
import { handleUpload } from '../../dist/plugin/upload/handleUpload.js';
import { recordingPath } from '../../plugin/recorder/directory.ts';
import type { RunDetail, RunSummary, SeriesAnswer, StepAnswer, WarningAnswer } from '../../src/telemetry/api.ts';
import { temporaryFolder } from '../support/folders.ts';
import { testHeader, testReport } from '../support/samples.ts';
import { listenLocally } from '../support/servers.ts';
import { answerTo, ask, begin, json, start } from '../support/service.ts';
import { connectStream } from '../support/streamClient.ts';
import { asVersion, recording, upload, uploadsOf } from '../support/uploads.ts';

const header = testHeader('hc');
const RECORDINGS = '/api/v1/recordings';

describe('an uploaded recording', () => {
  test('is kept, listed and read as any other, with nothing beside it', async () => {
    const service = await start();
    expect(await upload(service, recording())).toEqual({ status: 201, body: { run: 'hc' } });
    const [summary] = await json<RunSummary[]>(service, 'api/v1/runs');
    expect(summary).toMatchObject({ run: 'hc', uploaded: true, live: false, outcome: 'completed', lastStep: 20 });
    expect(await json<RunDetail>(service, 'api/v1/runs/hc')).toMatchObject({ uploaded: true, connections: header.connections });
    expect(await json<StepAnswer>(service, 'api/v1/runs/hc/steps/latest')).toMatchObject({ run: 'hc', step: 20, forecast: [] });
    expect((await json<SeriesAnswer>(service, 'api/v1/runs/hc/series?measure=loss')).steps).toHaveLength(20);
    expect(readdirSync(uploadsOf(service))).toEqual(['hc.sqlite']);
    expect(statSync(recordingPath(uploadsOf(service), 'hc')).mode & 0o777).toBe(0o400);
    const refused = await fetch(`${service.url}api/v1/runs/hc/warnings/0/acknowledge`, { method: 'POST' });
    expect(refused.status).toBe(409);
    expect(await refused.text()).toContain('was uploaded and is only read');
  });

  test('gets the next free name, and all that is answered of it has that name', async () => {
    const service = await start();
    const own = openRun(service.pipeline, header);
    handleReport(service.pipeline, own, testReport(header, 1));
    closeRun(service.pipeline, own, 'completed');
    const body = recording();
    expect((await upload(service, body)).body).toEqual({ run: 'hc-2' });
    expect((await upload(service, body)).body).toEqual({ run: 'hc-3' });
    expect((await json<RunSummary[]>(service, 'api/v1/runs')).map((r) => [r.run, r.uploaded]).sort()).toEqual([
      ['hc', false],
      ['hc-2', true],
      ['hc-3', true],
    ]);
    expect((await json<StepAnswer>(service, 'api/v1/runs/hc-3/steps/latest')).run).toBe('hc-3');
    expect((await json<WarningAnswer[]>(service, 'api/v1/runs/hc-3/warnings')).map((w) => [w.id, w.run])).toEqual([[0, 'hc-3']]);
    const long = 'x'.repeat(64);
    expect((await upload(service, recording({ run: long }))).body).toEqual({ run: long });
    expect((await upload(service, recording({ run: long }))).body).toEqual({ run: `${'x'.repeat(62)}-2` });
  });

  test('is never gone on in: a run of its name takes the name, and it goes by the next', async () => {
    const service = await start();
    await upload(service, recording());
    const run = openRun(service.pipeline, header);
    handleReport(service.pipeline, run, testReport(header, 1));
    closeRun(service.pipeline, run, 'failed');
    const runs = await json<RunSummary[]>(service, 'api/v1/runs');
    expect(runs.map((r) => [r.run, r.uploaded, r.attempt, r.outcome])).toEqual([
      ['hc', false, 1, 'failed'],
      ['hc-2', true, 1, 'completed'],
    ]);
  });

  test('that nobody ended is not taken for a run of a process here', async () => {
    const service = await start();
    await upload(service, recording({ sql: `UPDATE attempts SET outcome = NULL, pid = ${process.pid}` }));
    expect((await json<RunSummary[]>(service, 'api/v1/runs'))[0]).toMatchObject({ outcome: 'unknown', live: false });
  });

  test('of an earlier schema version is one too; clients of the stream get it', async () => {
    const service = await start();
    const client = await connectStream(service);
    const names: unknown[] = [];
    for (const version of [1, 2, 3, 4, 5, 6, 1]) names.push((await upload(service, recording({ sql: asVersion(version) }))).body.run);
    expect(names).toEqual(['hc', 'hc-2', 'hc-3', 'hc-4', 'hc-5', 'hc-6', 'hc-7']);
    expect((await client.events('run', 7)).map(({ data }) => [data.run, data.uploaded])).toEqual(names.map((name) => [name, true]));
  });

  test('needs the token, and no other site may send it', async () => {
    const service = await start({ token: 'correct-horse' });
    expect((await upload(service, recording())).status).toBe(401);
    const bearer = { Authorization: 'Bearer correct-horse' };
    expect((await upload(service, recording(), { ...bearer, 'Sec-Fetch-Site': 'cross-site' })).status).toBe(403);
    expect((await upload(service, recording(), bearer)).status).toBe(201);
  });
});

test('one that says that it is too large, before it is sent', async () => {
  const service = await start();
  const outgoing = begin(service, RECORDINGS, { 'Content-Length': 512 * 2 ** 20 + 1 });
  outgoing.write('x');
  const answer = await answerTo(outgoing);
  outgoing.destroy();
  expect(answer.status).toBe(413);
  expect(answer.body).toContain('must have at most 536870912 bytes');
});

/** The route with smaller limits. */
async function small(one: number, all = 1e9) {
  const directory = temporaryFolder();
  const onProblem = () => {};
  const pipeline = createPipeline({ directory, recorder: await loadRecorder(onProblem), now: Date.now, onProblem });
  const ended: string[] = [];
  const app = express();
  app.post(RECORDINGS, async (request, response) => {
    try {
      response.json({ run: await handleUpload(pipeline, request, response, { one, all }) });
    } catch (error) {
      ended.push((error as Error).message);
      response.status((error as { status?: number }).status ?? 500).json({ error: { rule: (error as Error).message } });
    }
  });
  return { port: await listenLocally(app), folder: join(directory, 'uploads'), ended };
}

test('one that is too large without saying so is refused while it comes, and the answer arrives', async () => {
  const { port, folder } = await small(100_000);
  const outgoing = begin({ port }, RECORDINGS);
  for (let i = 0; i < 40; i++) outgoing.write(Buffer.alloc(100_000));
  expect((await answerTo(outgoing.end())).status).toBe(413);
  expect(readdirSync(folder)).toEqual([]);
});

test('nothing stays of what a client that goes away has sent, nor of what a killed process has left', async () => {
  const { port, folder, ended } = await small(1e9);
  expect((await upload({ port }, Buffer.from('x'))).status).toBe(400);
  writeFileSync(join(folder, 'left.part'), 'x');
  writeFileSync(join(folder, 'x.part.sqlite'), 'x');
  for (const file of ['left.part', 'x.part.sqlite']) utimesSync(join(folder, file), 1000, 1000);
  const outgoing = begin({ port }, RECORDINGS);
  outgoing.write(recording().subarray(0, 9000));
  await expect
    .poll(() => readdirSync(folder).filter((file) => file !== 'x.part.sqlite'))
    .toEqual([expect.stringMatching(/^[\w-]{36}\.part$/)]);
  outgoing.destroy();
  await expect.poll(() => ended).toHaveLength(2);
  await expect.poll(() => readdirSync(folder)).toEqual(['x.part.sqlite']);
});

test('a second one at the same time is refused; when the first is done, or has gone away, the next is taken', async () => {
  const service = await start();
  const body = recording();
  const beginHere = async () => {
    const outgoing = begin(service, RECORDINGS);
    outgoing.write(body.subarray(0, 9000));
    await expect
      .poll(() => existsSync(uploadsOf(service)) && readdirSync(uploadsOf(service)).some((file) => file.endsWith('.part')))
      .toBe(true);
    return outgoing;
  };
  const first = await beginHere();
  expect((await ask(service, RECORDINGS, {}, 'POST')).headers['retry-after']).toBe('5');
  expect(await upload(service, body)).toEqual({
    status: 503,
    body: { error: { field: 'recording', rule: expect.stringContaining('one at a time'), value: null } },
  });
  expect((await answerTo(first.end(body.subarray(9000)))).status).toBe(201);
  (await beginHere()).destroy();
  await expect.poll(async () => (await upload(service, body)).status).toBe(201);
  expect(await upload(service, Buffer.from('x'))).toMatchObject({ status: 400 });
  expect((await upload(service, body)).status).toBe(201);
});

test('one that does not fit into the folder beside the others is refused, with its length or without, and what is there stays', async () => {
  const body = recording();
  const { port, folder } = await small(1e9, 1.5 * body.length);
  expect((await upload({ port }, body)).status).toBe(200);
  const refused = await upload({ port }, body);
  expect(refused.status).toBe(507);
  expect(refused.body.error?.['rule']).toContain(`at most ${1.5 * body.length} bytes and has ${body.length}`);
  expect((await upload({ port }, body, { 'Transfer-Encoding': 'chunked' })).status).toBe(507);
  expect(readdirSync(folder)).toEqual(['hc.sqlite']);
});

test('a client that has its answer and goes on sending, other than a recording, is cut off', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const service = await start();
  const outgoing = begin(service, '/api/v1/runs/hc/warnings/0/acknowledge');
  const closed = new Promise((resolve) => outgoing.on('close', resolve));
  outgoing.write('x');
  expect((await answerTo(outgoing)).status).toBe(404);
  vi.advanceTimersByTime(9000);
  outgoing.write('x');
  await new Promise((resolve) => setImmediate(resolve));
  expect(outgoing.destroyed).toBe(false);
  vi.advanceTimersByTime(2000);
  await closed;
});
