/** That somebody knows of a warning: noted once, kept with the recording, by whichever process; and older recordings. */
import Database from 'libsql';
import { expect, onTestFinished, test } from 'vitest';
import { closeRun, handleReport, openRun } from '../../dist/plugin/pipeline/pipeline.js';
import type { Service } from '../../dist/plugin/service.js';
import { recordingPath } from '../../plugin/recorder/directory.ts';
import { SCHEMA_VERSION } from '../../plugin/recorder/migrations.ts';
import type { WarningAnswer } from '../../src/telemetry/api.ts';
import { temporaryFolder } from '../support/folders.ts';
import { changeRecording } from '../support/recorded.ts';
import { headerOf, reportOf } from '../support/reports.ts';
import { json, start } from '../support/service.ts';
import { connectStream } from '../support/streamClient.ts';
import { asVersion } from '../support/uploads.ts';

const header = headerOf('hc');
const given = (step: number) => reportOf(header, step, step % 50 === 11 ? { loss: Number.NaN } : {});
const asked = (service: Service) => json<WarningAnswer[]>(service, 'api/v1/runs/a-run/warnings');

async function acknowledge(service: Service, id: string | number, run = 'a-run') {
  const response = await fetch(`${service.url}api/v1/runs/${run}/warnings/${id}/acknowledge`, { method: 'POST' });
  return { status: response.status, body: (await response.json()) as WarningAnswer & { error: Record<string, unknown> } };
}

/** A run with warnings at steps 11 and 61, the first of which has ended. */
function runIn(service: Service) {
  const run = openRun(service.pipeline, header);
  for (let step = 1; step <= 70; step++) handleReport(service.pipeline, run, given(step));
  return run;
}

test('a warning of a live run: answered, emitted to the stream, recorded; the first time stays', async () => {
  let now = 1000;
  const service = await start({ now: () => now });
  const run = runIn(service);
  expect((await asked(service)).map(({ id, step, acknowledgedTime }) => [id, step, acknowledgedTime])).toEqual([
    [0, 11, null],
    [1, 61, null],
  ]);
  const client = await connectStream(service);
  const first = await acknowledge(service, 1);
  expect(first).toMatchObject({ status: 200, body: { id: 1, run: 'a-run', step: 61, active: true, acknowledgedTime: 1000 } });
  now = 2000;
  expect(await acknowledge(service, 1)).toEqual(first);
  expect((await client.events('warning', 1)).map(({ data }) => data)).toEqual([first.body]);
  expect((await asked(service)).map((w) => w.acknowledgedTime)).toEqual([null, 1000]);
  // It ends later: that overwrites nothing.
  for (let step = 71; step <= 100; step++) handleReport(service.pipeline, run, given(step));
  closeRun(service.pipeline, run, 'completed');
  const recorded = await asked(service);
  expect(recorded).toMatchObject([
    { id: 0, acknowledgedTime: null },
    { id: 1, acknowledgedTime: 1000, clearedStep: 81 },
  ]);
  await service.close();
  const later = await start({ directory: service.pipeline.directory });
  expect(await asked(later)).toEqual(recorded);
  const again = openRun(later.pipeline, header);
  expect(again.detection.warnings.map((w) => w.acknowledgedTime)).toEqual([null, 1000]);
  expect(await asked(later)).toEqual(recorded);
});

test('a warning of a recording that nobody writes', async () => {
  const service = await start({ now: () => 1000 });
  closeRun(service.pipeline, runIn(service), 'completed');
  const client = await connectStream(service);
  const { status, body } = await acknowledge(service, 0);
  expect(status).toBe(200);
  expect(body).toMatchObject({ id: 0, step: 11, acknowledgedTime: 1000 });
  await acknowledge(service, 0);
  expect((await client.events('warning', 1)).map(({ data }) => data)).toEqual([body]);
  await service.close();
  expect((await asked(await start({ directory: service.pipeline.directory })))[0]).toEqual(body);
});

test('a warning of a run that another process writes: both show it, and the first time stays', async () => {
  const directory = temporaryFolder();
  const writer = await start({ directory, now: () => 2000 });
  const run = runIn(writer);
  await expect.poll(() => run.last?.step).toBe(70);
  const server = await start({ directory, now: () => 1000 });
  expect((await acknowledge(server, 1)).body).toMatchObject({ id: 1, acknowledgedTime: 1000, active: true });
  expect((await asked(writer))[1].acknowledgedTime).toBe(1000);
  expect((await acknowledge(writer, 1)).body.acknowledgedTime).toBe(1000);
  expect((await acknowledge(writer, 0)).body.acknowledgedTime).toBe(2000);
  expect((await asked(server)).map((w) => w.acknowledgedTime)).toEqual([2000, 1000]);
  for (let step = 71; step <= 100; step++) handleReport(writer.pipeline, run, given(step));
  closeRun(writer.pipeline, run, 'completed');
  expect((await asked(server)).map((w) => [w.acknowledgedTime, w.clearedStep])).toEqual([
    [2000, 31],
    [1000, 81],
  ]);
});

test('a warning of a run whose recording refuses: noted here, said by whom, and refused until it can be kept', async () => {
  const service = await start({ directory: '/dev/null/none', now: () => 1000 });
  runIn(service);
  for (let times = 0; times < 2; times++) {
    const { status, body } = await acknowledge(service, 0);
    expect([status, body.error['field']]).toEqual([503, 'run']);
  }
  expect((await asked(service)).map((w) => w.acknowledgedTime)).toEqual([1000, null]);
  expect(service.problems.filter((line) => line.includes('was acknowledged'))).toEqual([expect.stringContaining('warning 0 of run a-run')]);
});

test('a warning of a run that is not recorded', async () => {
  const service = await start({ record: false, now: () => 1000 });
  const run = runIn(service);
  expect((await acknowledge(service, 0)).body).toMatchObject({ id: 0, acknowledgedTime: 1000 });
  closeRun(service.pipeline, run, 'completed');
  expect((await acknowledge(service, 1)).body).toMatchObject({ id: 1, acknowledgedTime: 1000 });
  expect((await asked(service)).map((w) => w.acknowledgedTime)).toEqual([1000, 1000]);
});

test.each([
  ['2', 'a-run', 'id', 'must be a whole number from 0 to 1'],
  ['-1', 'a-run', 'id', 'must be a whole number from 0 to 1'],
  ['0.5', 'a-run', 'id', 'must be a whole number from 0 to 1'],
  ['length', 'a-run', 'id', 'must be a whole number from 0 to 1'],
  ['0', 'calm', 'id', 'must be that of a warning: this run has none'],
  ['0', 'nobody', 'run', 'must be one of /api/v1/runs'],
])('warning %s of run %s is answered with 404', async (id, run, field, rule) => {
  const service = await start();
  runIn(service);
  const calm = { ...header, run: 'calm' };
  handleReport(service.pipeline, openRun(service.pipeline, calm), reportOf(calm, 1));
  const { status, body } = await acknowledge(service, id, run);
  expect(status).toBe(404);
  expect(body.error).toEqual({ field, rule, value: field === 'id' ? id : run });
});

test('a recording that another process keeps locked is answered with 503', async () => {
  const service = await start();
  closeRun(service.pipeline, runIn(service), 'completed');
  const db = new Database(recordingPath(service.pipeline.directory, 'a-run'));
  onTestFinished(() => void db.close());
  db.exec('BEGIN IMMEDIATE');
  const { status, body } = await acknowledge(service, 0);
  expect(status).toBe(503);
  expect(body.error).toMatchObject({ field: 'run', rule: 'is locked by another process, try again' });
  db.exec('ROLLBACK');
  expect((await acknowledge(service, 0)).status).toBe(200);
});

test('a recording of schema version 2 is read as it is, and brought up when somebody acknowledges or writes', async () => {
  const service = await start({ now: () => 1000 });
  closeRun(service.pipeline, runIn(service), 'completed');
  const path = recordingPath(service.pipeline.directory, 'a-run');
  // As version 2 wrote it: what became of a warning stood beside it too.
  changeRecording(
    path,
    `UPDATE warnings SET warning = json_set(warning, '$.active', json('true'), '$.clearedStep', NULL, '$.clearedTime', NULL);
    ${asVersion(2)}`,
  );
  const before = await asked(service);
  expect(before.map((w) => [w.id, w.clearedStep, w.active, w.acknowledgedTime])).toEqual([
    [0, 31, false, null],
    [1, null, true, null],
  ]);
  expect(changeRecording(path)).toBe(2);
  expect((await acknowledge(service, 1)).body).toEqual({ ...before[1], acknowledgedTime: 1000 });
  expect(changeRecording(path)).toBe(SCHEMA_VERSION);
  expect((await asked(service)).map((w) => w.acknowledgedTime)).toEqual([null, 1000]);
  changeRecording(path, asVersion(2));
  const again = openRun(service.pipeline, header);
  expect(again.recording).not.toBeNull();
  expect((await asked(service)).map((w) => w.acknowledgedTime)).toEqual([null, null]);
  closeRun(service.pipeline, again, 'completed');
  expect(changeRecording(path)).toBe(SCHEMA_VERSION);
});
