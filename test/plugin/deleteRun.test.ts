/** DELETE of a run: its files, what is said of it afterwards, and what is not deleted. */
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { closeRun, handleReport, openRun } from '../../dist/plugin/pipeline/pipeline.js';
import type { Service } from '../../dist/plugin/service.js';
import { recordingPath } from '../../plugin/recorder/directory.ts';
import type { RunSummary } from '../../src/telemetry/api.ts';
import { temporaryFolder } from '../support/folders.ts';
import { changeRecording } from '../support/recorded.ts';
import { testHeader, testReport } from '../support/samples.ts';
import { ask, json, start } from '../support/service.ts';
import { connectStream } from '../support/streamClient.ts';
import { recording, upload, uploadsOf } from '../support/uploads.ts';
import { sendJson, sendState } from '../support/wire.ts';

const header = testHeader('hc');
const runsOf = async (service: Service) => (await json<RunSummary[]>(service, 'api/v1/runs')).map(({ run }) => run);

async function remove(service: Service, run = 'hc') {
  const answer = await ask(service, `/api/v1/runs/${run}`, {}, 'DELETE');
  return {
    status: answer.status,
    body: JSON.parse(answer.body) as { run?: string; error?: { field: string; rule: string; value: unknown } },
  };
}

function record(service: Service, end = true) {
  const run = openRun(service.pipeline, header);
  handleReport(service.pipeline, run, testReport(header, 1));
  if (end) closeRun(service.pipeline, run, 'completed');
  return run;
}

test('a run that has ended: its files are gone, nothing is said of it, pages drop it, and its name is free', async () => {
  const service = await start();
  record(service);
  const client = await connectStream(service);
  writeFileSync(`${recordingPath(service.pipeline.directory, 'hc')}-wal`, 'left');
  expect(await remove(service)).toEqual({ status: 200, body: { run: 'hc' } });
  expect(readdirSync(service.pipeline.directory)).toEqual([]);
  expect((await client.events('gone', 1)).map(({ data }) => data)).toEqual([{ run: 'hc' }]);
  expect(await runsOf(service)).toEqual([]);
  expect((await ask(service, '/api/v1/runs/hc')).status).toBe(404);
  expect((await ask(service, '/metrics')).body).not.toContain('mhc_training_steps_total{run="hc"');
  expect(await remove(service)).toMatchObject({ status: 404, body: { error: { field: 'run', value: 'hc' } } });
  expect(record(service).attempt).toBe(1);
  expect(await runsOf(service)).toEqual(['hc']);
});

test('an uploaded one, of which nobody can say that it goes on', async () => {
  const service = await start();
  await upload(service, recording({ sql: `UPDATE attempts SET outcome = NULL, pid = ${process.ppid}` }));
  expect((await remove(service)).status).toBe(200);
  expect(readdirSync(uploadsOf(service))).toEqual([]);
});

test('one that goes on, here or in another process, is not deleted', async () => {
  const service = await start();
  const run = record(service, false);
  const path = recordingPath(service.pipeline.directory, 'hc');
  expect(await remove(service)).toMatchObject({ status: 409, body: { error: { rule: 'must have ended: it goes on here' } } });
  closeRun(service.pipeline, run, 'completed');
  changeRecording(path, `UPDATE attempts SET outcome = NULL, pid = ${process.ppid}`);
  expect(await remove(service)).toMatchObject({ status: 409, body: { error: { rule: 'must have ended: another process writes it' } } });
  expect(existsSync(path)).toBe(true);
  // Left by a process that is gone and had our number, as in a container.
  changeRecording(path, `UPDATE attempts SET pid = ${process.pid}`);
  expect((await remove(service)).status).toBe(200);
});

test('one that cannot be read, of which nobody can say that it has ended', async () => {
  const service = await start();
  writeFileSync(join(service.pipeline.directory, 'broken.sqlite'), 'x'.repeat(5000));
  const { status, body } = await remove(service, 'broken');
  expect(status).toBe(409);
  expect(body.error?.rule).toBe('cannot be told to have ended: it has a recording that cannot be read: file is not a database');
  expect(JSON.stringify(body)).not.toContain(service.pipeline.directory);
});

test.each(['none', '..%2Fhc', '%2e%2e', 'a%00b', '__proto__', 'constructor', `${'x'.repeat(65)}`])('%s is none', async (run) => {
  const directory = join(temporaryFolder(), 'runs');
  const service = await start({ directory });
  writeFileSync(join(directory, '..', 'hc.sqlite'), '');
  expect((await remove(service, run)).status).toBe(404);
  expect(existsSync(join(directory, '..', 'hc.sqlite'))).toBe(true);
});

test('a run of another process that has not begun, or goes on, is none that has ended', async () => {
  const service = await start();
  const step = { step: 1, order: ['block0'], measures: { compositeForwardGain: [1.5] } };
  expect((await sendJson(service, 'sent', step)).status).toBe(200);
  expect((await remove(service, 'sent')).status).toBe(409);
  await sendState(service, 'half', { state: 'open', streams: 2, order: ['block0'], stage: 0, stages: 2, world_size: 2 });
  expect((await remove(service, 'half')).status).toBe(409);
  await sendState(service, 'sent', { state: 'closed', outcome: 'completed' });
  expect((await remove(service, 'sent')).status).toBe(200);
  // Nothing of it is known any more: the same step is new.
  expect((await sendJson(service, 'sent', step)).answer).toMatchObject({ accepted: 1, duplicates: 0 });
});
