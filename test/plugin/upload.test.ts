/** A recording dropped on the page: checked, kept under a free name, only read; and what is none, or made to harm, is refused. */
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import express from 'express';
import Database from 'libsql';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { closeRun, createPipeline, openRun, takeReport } from '../../dist/plugin/pipeline.js';
import { loadRecorder } from '../../dist/plugin/recorder/load.js';
import { takeUpload } from '../../dist/plugin/server/upload.js';
import type { Service } from '../../dist/plugin/service.js';
import { recordingPath } from '../../plugin/recorder/directory.ts';
import { closeRecording, commitReports, openRecording } from '../../plugin/recorder/write.ts';
import type { RunDetail, RunSummary, SeriesAnswer, StepAnswer, WarningAnswer } from '../../src/telemetry/api.ts';
import type { Warning } from '../../src/telemetry/warning.ts';
import { temporaryFolder } from '../support/folders.ts';
import { testHeader, testReport } from '../support/samples.ts';
import { ask, json, start } from '../support/service.ts';

const header = testHeader('hc');

/** A recording made elsewhere, changed by `sql`, as the bytes of its file. */
function recording({ run = 'hc', steps = 20, sql = '' } = {}): Buffer {
  const named = { ...header, run: 'made' };
  const opened = openRecording(temporaryFolder(), named, 1000);
  const reports = Array.from({ length: steps }, (_, i) => testReport(named, i + 1, i === 10 ? { loss: Number.NaN } : {}));
  const warning: Warning = {
    run: 'made',
    rule: 'nonfinite',
    severity: 'critical',
    step: 11,
    time: 5,
    connection: null,
    suspects: [],
    measure: 'loss',
    value: Number.NaN,
    threshold: 0,
    stepsLeft: null,
    interval: null,
    message: 'The loss is NaN.',
    runbook: 'runbook.md#nonfinite',
  };
  const record = { id: 0, warning, clearedStep: null, clearedTime: null, acknowledgedTime: null };
  commitReports(opened, reports, { changed: [record], state: null });
  closeRecording(opened, 'completed', 2000);
  const db = new Database(opened.path);
  db.exec(`UPDATE attempts SET run = '${run.replaceAll("'", "''")}'; ${sql}`);
  db.pragma('wal_checkpoint(TRUNCATE)');
  db.close();
  return readFileSync(opened.path);
}

async function upload(service: Pick<Service, 'port'>, body: Uint8Array, headers: Record<string, string> = {}) {
  const answer = await ask(service, '/api/v1/recordings', headers, 'POST', body);
  return { status: answer.status, body: JSON.parse(answer.body) as { run?: string; error?: Record<string, unknown> } };
}

const uploadsOf = (service: Service) => join(service.pipeline.directory, 'uploads');

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
    expect(statSync(recordingPath(uploadsOf(service), 'hc')).mode & 0o777).toBe(0o444);
    const refused = await fetch(`${service.url}api/v1/runs/hc/warnings/0/acknowledge`, { method: 'POST' });
    expect(refused.status).toBe(409);
    expect(await refused.text()).toContain('was uploaded and is only read');
  });

  test('gets the next free name, and all that is answered of it has that name', async () => {
    const service = await start();
    const own = openRun(service.pipeline, header);
    takeReport(service.pipeline, own, testReport(header, 1));
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
    takeReport(service.pipeline, run, testReport(header, 1));
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

  test('of an earlier schema version is one too; clients of the stream are told', async () => {
    const service = await start();
    const heard = fetch(`${service.url}api/v1/stream`).then(async (response) => {
      let text = '';
      for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
        text += part;
        if (/event: run\ndata: .*\n\n/.test(text)) break;
      }
      return text;
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    const older = recording({ sql: 'DROP TABLE warnings; DROP TABLE detectors; PRAGMA user_version = 1;' });
    const v2 = recording({ sql: 'ALTER TABLE warnings DROP COLUMN acknowledged_time; PRAGMA user_version = 2;' });
    const names: unknown[] = [];
    for (const body of [older, v2, older]) names.push((await upload(service, body)).body.run);
    expect(names).toEqual(['hc', 'hc-2', 'hc-3']);
    expect(await heard).toMatch(/"uploaded":true/);
  });

  test('needs the token, and no other site may send it', async () => {
    const service = await start({ token: 'correct-horse' });
    expect((await upload(service, recording())).status).toBe(401);
    const bearer = { Authorization: 'Bearer correct-horse' };
    expect((await upload(service, recording(), { ...bearer, 'Sec-Fetch-Site': 'cross-site' })).status).toBe(403);
    expect((await upload(service, recording(), bearer)).status).toBe(201);
  });
});

describe('what is no recording is refused, and nothing of it stays:', () => {
  const truncated = () => recording({ steps: 300 }).subarray(0, 40_000);
  const flipped = () => {
    const body = recording({ steps: 300 });
    body.fill(0xff, 3 * 4096, 12 * 4096);
    return body;
  };
  test.each<[string, () => Uint8Array, RegExp]>([
    ['nothing', () => new Uint8Array(), /not a database/],
    ['a text', () => Buffer.from('hello '.repeat(100)), /not a database/],
    ['a header only', () => recording().subarray(0, 100), /version reads|whole/],
    ['another database', () => recording({ sql: 'PRAGMA application_id = 7' }), /application_id is 7/],
    ['one of a newer version', () => recording({ sql: 'PRAGMA user_version = 99' }), /schema version 99, this gainwatch reads up to 3/],
    ['a truncated one', truncated, /malformed|whole/],
    ['a damaged one', flipped, /whole|version reads/],
    ['one without a step', () => recording({ steps: 0 }), /must have a step/],
    ['one with a run name that is none', () => recording({ run: '../../etc/passwd' }), /run name/],
    ['one with a trigger', () => recording({ sql: 'CREATE TRIGGER t AFTER INSERT ON steps BEGIN DELETE FROM steps; END' }), /nothing else/],
    ['one with another view', () => recording({ sql: 'CREATE VIEW v AS SELECT 1' }), /nothing else/],
    [
      'one with a table that is a view',
      () => recording({ sql: 'DROP TABLE detectors; CREATE VIEW detectors AS SELECT 1 AS state' }),
      /else/,
    ],
    ['one with another table', () => recording({ sql: 'CREATE VIRTUAL TABLE f USING fts5(x)' }), /nothing else/],
    ['one with an index that computes', () => recording({ sql: 'CREATE INDEX i ON steps (abs(loss))' }), /nothing else/],
    ['one with a column that computes', () => recording({ sql: 'ALTER TABLE steps ADD COLUMN x AS (hex(loss))' }), /nothing else/],
    ['one that lacks a table', () => recording({ sql: 'DROP TABLE buckets' }), /nothing else/],
    ['one whose arrays are too short', () => recording({ sql: "UPDATE steps SET measures = x'00' WHERE step = 3" }), /as many values/],
    ['one whose buckets are texts', () => recording({ sql: "UPDATE buckets SET scalars_min = 'x'" }), /as many values/],
    ['one without connections', () => recording({ sql: "UPDATE attempts SET connections = '[]'" }), /connections/],
    ['one with nonsense for connections', () => recording({ sql: "UPDATE attempts SET connections = '[null, 7'" }), /whole/],
    ['one with a thousand streams', () => recording({ sql: 'UPDATE attempts SET streams = 1000' }), /connections/],
    [
      'one with a link for a runbook',
      () => recording({ sql: "UPDATE warnings SET warning = json_set(warning, '$.runbook', 'javascript:1')" }),
      /as runbook of a warning/,
    ],
    ['one with a warning that is none', () => recording({ sql: "UPDATE warnings SET warning = 'null'" }), /objects as warnings/],
    ['one with a warning of no JSON', () => recording({ sql: "UPDATE warnings SET warning = '{'" }), /whole/],
    [
      'one with a text for a time',
      () => recording({ sql: "UPDATE steps SET time = 'abc' WHERE step = 3" }),
      /whole number .* as time in steps/,
    ],
    ['one with a time that no date has', () => recording({ sql: 'UPDATE steps SET time = 9e15 WHERE step = 3' }), /as time in steps/],
    [
      'one with a text for a step',
      () => recording({ sql: "UPDATE steps SET step = 'x' WHERE step = 3" }),
      /whole number .* as step in steps/,
    ],
    [
      'one with nonsense for step_seconds',
      () => recording({ sql: "UPDATE steps SET step_seconds = 'x' WHERE step = 3" }),
      /as step_seconds in steps/,
    ],
    ['one with nonsense for loss', () => recording({ sql: "UPDATE steps SET loss = 'nan' WHERE step = 3" }), /as loss in steps/],
    [
      'one with nonsense for gradient_norm',
      () => recording({ sql: "UPDATE steps SET gradient_norm = x'00' WHERE step = 3" }),
      /as gradient_norm in steps/,
    ],
    [
      'one with nonsense for learning_rate',
      () => recording({ sql: "UPDATE steps SET learning_rate = '1' WHERE step = 3" }),
      /as learning_rate in steps/,
    ],
    [
      'one with nonsense for composite_gain',
      () => recording({ sql: "UPDATE steps SET composite_gain = '' WHERE step = 3" }),
      /as composite_gain in steps/,
    ],
    [
      'one with a text for the overhead',
      () => recording({ sql: "UPDATE steps SET overhead_seconds = 'x'" }),
      /as overhead_seconds in steps/,
    ],
    ['one with an endless overhead', () => recording({ sql: 'UPDATE steps SET overhead_seconds = 9e999' }), /as overhead_seconds in steps/],
    ['one with a text for a counter', () => recording({ sql: "UPDATE steps SET errors = 'x'" }), /as errors in steps/],
    [
      'one with a text for a total',
      () => recording({ sql: 'UPDATE steps SET memory_totals = \'{"allocated":"zz"}\'' }),
      /as memory_totals in steps/,
    ],
    [
      'one with an endless total',
      () => recording({ sql: 'UPDATE steps SET memory_totals = \'{"allocated":1e999}\'' }),
      /as memory_totals in steps/,
    ],
    ['one with an array for totals', () => recording({ sql: "UPDATE steps SET memory_totals = '[1]'" }), /as memory_totals in steps/],
    ['one with nonsense for totals', () => recording({ sql: "UPDATE steps SET memory_totals = '{'" }), /as memory_totals in steps/],
    [
      'one with other kinds of memory',
      () => recording({ sql: "UPDATE attempts SET memory_kinds = json_array('a', 'b', 'c', 'd', 'e')" }),
      /as memory_kinds/,
    ],
    ['one with a text for its beginning', () => recording({ sql: "UPDATE attempts SET started_at = 'x'" }), /as started_at in attempts/],
    ['one with an end that is none', () => recording({ sql: "UPDATE attempts SET outcome = 'x'" }), /as outcome in attempts/],
    [
      'one with a text for the first step of a bucket',
      () => recording({ sql: "UPDATE buckets SET first_step = 'x'" }),
      /as first_step in buckets/,
    ],
    [
      'one with a text for the end of a warning',
      () => recording({ sql: "UPDATE warnings SET cleared_time = 'x'" }),
      /as cleared_time in warnings/,
    ],
    ...[
      ['suspects', 'null'],
      ['suspects', '[1]'],
      ['connection', '{"a":1}'],
      ['step', '"x"'],
      ['time', '1.5'],
      ['rule', '"none"'],
      ['severity', '"none"'],
      ['measure', '7'],
      ['value', '"Inf"'],
      ['threshold', '"x"'],
      ['threshold', '1e999'],
      ['stepsLeft', '"x"'],
      ['interval', '[1]'],
      ['interval', '[null,1]'],
      ['message', 'null'],
    ].map(([field, value]): [string, () => Uint8Array, RegExp] => [
      `one with a warning whose ${field} is ${value}`,
      () => recording({ sql: `UPDATE warnings SET warning = json_set(warning, '$.${field}', json('${value}'))` }),
      new RegExp(`as ${field} of a warning$`),
    ]),
    [
      'one with a warning that lacks a field',
      () => recording({ sql: "UPDATE warnings SET warning = json_remove(warning, '$.suspects')" }),
      /as suspects of a warning/,
    ],
  ])('%s', async (_what, body, rule) => {
    const service = await start();
    const answer = await upload(service, body());
    expect(answer.status).toBe(400);
    expect(answer.body.error).toEqual({ field: 'recording', rule: expect.stringMatching(rule), value: answer.body.error?.['value'] });
    expect(readdirSync(uploadsOf(service))).toEqual([]);
    expect(await json(service, 'api/v1/runs')).toEqual([]);
  });

  test('one that says that it is too large, before it is sent', async () => {
    const service = await start();
    const answer = await new Promise<{ status: number; text: string }>((resolve, reject) => {
      const headers = { 'Content-Length': 512 * 2 ** 20 + 1 };
      const outgoing = httpRequest({ host: '127.0.0.1', port: service.port, path: '/api/v1/recordings', method: 'POST', headers });
      outgoing.on('response', async (response) => {
        let text = '';
        for await (const part of response) text += part;
        resolve({ status: response.statusCode!, text });
        outgoing.destroy();
      });
      outgoing.on('error', reject);
      outgoing.write('x');
    });
    expect(answer.status).toBe(413);
    expect(answer.text).toContain('must have at most 536870912 bytes');
  });
});

/** The route with smaller limits. */
async function small(one: number, all = 1e9) {
  const directory = temporaryFolder();
  const onProblem = () => {};
  const pipeline = createPipeline({ directory, recorder: await loadRecorder(onProblem), now: Date.now, onProblem });
  const ended: string[] = [];
  const app = express();
  app.post('/api/v1/recordings', async (request, response) => {
    try {
      response.json({ run: await takeUpload(pipeline, request, response, { one, all }) });
    } catch (error) {
      ended.push((error as Error).message);
      response.status((error as { status?: number }).status ?? 500).json({ error: { rule: (error as Error).message } });
    }
  });
  const server = app.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as { port: number }).port, folder: join(directory, 'uploads'), ended };
}

test('one that is too large without saying so is refused while it comes, and the answer arrives', async () => {
  const { port, folder } = await small(100_000);
  const status = await new Promise<number>((resolve, reject) => {
    const outgoing = httpRequest({ host: '127.0.0.1', port, path: '/api/v1/recordings', method: 'POST' }, (response) => {
      response.resume();
      resolve(response.statusCode!);
    });
    outgoing.on('error', reject);
    for (let i = 0; i < 40; i++) outgoing.write(Buffer.alloc(100_000));
    outgoing.end();
  });
  expect(status).toBe(413);
  expect(readdirSync(folder)).toEqual([]);
});

test('nothing stays of what a client that goes away has sent, nor of what a killed process has left', async () => {
  const { port, folder, ended } = await small(1e9);
  expect((await upload({ port }, Buffer.from('x'))).status).toBe(400);
  writeFileSync(join(folder, 'left.part'), 'x');
  writeFileSync(join(folder, 'x.part.sqlite'), 'x');
  for (const file of ['left.part', 'x.part.sqlite']) utimesSync(join(folder, file), 1000, 1000);
  const outgoing = httpRequest({ host: '127.0.0.1', port, path: '/api/v1/recordings', method: 'POST' });
  outgoing.on('error', () => {});
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
  const begin = async () => {
    const outgoing = httpRequest({ host: '127.0.0.1', port: service.port, path: '/api/v1/recordings', method: 'POST' });
    outgoing.on('error', () => {});
    outgoing.write(body.subarray(0, 9000));
    await expect
      .poll(() => existsSync(uploadsOf(service)) && readdirSync(uploadsOf(service)).some((file) => file.endsWith('.part')))
      .toBe(true);
    return outgoing;
  };
  const first = await begin();
  expect(await upload(service, body)).toEqual({
    status: 503,
    body: { error: { field: 'recording', rule: expect.stringContaining('one at a time'), value: null } },
  });
  const answered = once(first, 'response');
  first.end(body.subarray(9000));
  expect(((await answered)[0] as IncomingMessage).statusCode).toBe(201);
  (await begin()).destroy();
  await expect.poll(async () => (await upload(service, body)).status).toBe(201);
  expect(await upload(service, Buffer.from('x'))).toMatchObject({ status: 400 });
  expect((await upload(service, body)).status).toBe(201);
});

test('one that does not fit into the folder beside the others is refused, said or not, and what is there stays', async () => {
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
  onTestFinished(() => {
    vi.useRealTimers();
  });
  const service = await start();
  const path = '/api/v1/runs/hc/warnings/0/acknowledge';
  const outgoing = httpRequest({ host: '127.0.0.1', port: service.port, path, method: 'POST' });
  const cut = new Promise<Error>((resolve) => outgoing.on('error', resolve));
  const closed = once(outgoing, 'close');
  outgoing.write('x');
  const [answer] = (await once(outgoing, 'response')) as [IncomingMessage];
  expect(answer.statusCode).toBe(404);
  answer.resume();
  await once(answer, 'end');
  vi.advanceTimersByTime(9000);
  outgoing.write('x');
  await new Promise((resolve) => setImmediate(resolve));
  expect(outgoing.destroyed).toBe(false);
  vi.advanceTimersByTime(2000);
  await Promise.race([cut, closed]);
});
