/**
 * A 2xx is a promise: what is answered so is in the file, once, with its values; what cannot be kept is refused, shown, and taken later.
 */
import { chmodSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'libsql';
import { expect, test, vi } from 'vitest';
import { sweep } from '../../plugin/ingest/lifecycle.ts';
import { handleReport, settleRun } from '../../plugin/pipeline/pipeline.ts';
import { APPLICATION_ID } from '../../plugin/recorder/migrations.ts';
import type { RunDetail } from '../../src/telemetry/api.ts';
import { startForTest } from '../support/commandLine.ts';
import { temporaryFolder } from '../support/folders.ts';
import { fillDisk, startIngest, startRun } from '../support/pipelines.ts';
import { recorded } from '../support/recorded.ts';
import { reportOf } from '../support/reports.ts';
import { testHeader, testSample } from '../support/samples.ts';
import { ask, json, start } from '../support/service.ts';
import { range, stepsIn, storedIn } from '../support/stored.ts';
import { bodyOf, sendState, sendSteps } from '../support/wire.ts';

const header = testHeader('sent', 3, 4, 4);
const body = (step: number, attempt = 'first', change = {}) => bodyOf(header, { ...testSample(header, step), loss: step }, change, attempt);
const bodies = (from: number, to: number, attempt = 'first') => range(from, to).map((step) => body(step, attempt));

/** Ways in which a recording cannot be opened, and how each is mended. */
const OBSTACLES: Record<string, (path: string) => () => void> = {
  'a garbage file of that name': (path) => {
    writeFileSync(path, 'this is no database, and long enough to be looked at as one'.repeat(20));
    return () => rmSync(path);
  },
  'a newer schema': (path) => {
    const db = new Database(path);
    db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = 999; CREATE TABLE other (x);`);
    db.close();
    return () => rmSync(path);
  },
  'a folder of that name': (path) => {
    mkdirSync(path);
    return () => rmSync(path, { recursive: true });
  },
  'a lock': (path) => {
    const db = new Database(path);
    db.exec('BEGIN EXCLUSIVE; CREATE TABLE held (x);');
    return () => db.close();
  },
};

test.each(Object.entries(OBSTACLES))('%s: 503 with the reason, shown all the same, kept as soon as it is gone', async (_name, obstruct) => {
  const directory = temporaryFolder();
  const mend = obstruct(join(directory, 'sent.sqlite'));
  const service = await start({ directory });
  const opened = { state: 'open', attempt: 'first', streams: 4, order: header.connections.map(({ name }) => name) };
  expect(await sendState(service, 'sent', opened)).toEqual({ status: 200, answer: { run: 'sent', attempt: null } });
  for (const again of [1, 2]) {
    const refused = await ask(service, '/api/v1/runs/sent/steps', { 'Content-Type': 'application/vnd.gainwatch.step' }, 'POST', body(1));
    expect(refused.status, `${again}`).toBe(503);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect(JSON.parse(refused.body).error).toMatchObject({ field: 'recording', rule: expect.stringContaining('cannot be written now') });
    expect(refused.body).not.toContain(directory);
  }
  const { body: metrics } = await ask(service, '/metrics');
  expect(metrics).toContain('mhc_training_steps_total{run="sent"} 1');
  expect(service.problems.filter((line) => line.includes('could not be written'))).toHaveLength(1);
  mend();
  await vi.waitFor(async () => expect((await sendSteps(service, 'sent', bodies(1, 2))).status).toBe(200), { timeout: 20_000 });
  expect(storedIn(directory)).toEqual([1, 2].map((step) => ({ source: 'first', step, loss: step })));
  expect(service.problems.at(-1)).toBe('sent is recorded again');
});

test('a folder that cannot be made', async () => {
  const parent = join(temporaryFolder(), 'parent');
  writeFileSync(parent, '');
  const service = await start({ directory: join(parent, 'runs') });
  expect((await sendSteps(service, 'sent', bodies(1, 1))).status).toBe(503);
  rmSync(parent);
  await vi.waitFor(async () => expect((await sendSteps(service, 'sent', bodies(1, 1))).status).toBe(200), { timeout: 20_000 });
});

test('more than wait on a full disk are refused, and each is stored once when it is sent again', async () => {
  const { pipeline, directory, steps, run } = await startRun(testHeader('hc'), {}, { source: 'a', key: null, fresh: false });
  const disk = fillDisk(pipeline, run);
  const given = range(1, 5010).map((step) => handleReport(pipeline, run, reportOf(run.header, step)));
  vi.advanceTimersByTime(200);
  const dropped = (await Promise.all(given.slice(5000))).filter((one) => one === 'dropped').length;
  expect(dropped).toBe(10);
  expect(steps).toEqual(range(1, 5010));
  disk.makeRoom();
  const raised = run.detection.warnings.length;
  vi.advanceTimersByTime(30_000);
  expect(new Set(await Promise.all(given.slice(0, 5000)))).toEqual(new Set(['committed']));
  const again = range(4990, 5010).map((step) => handleReport(pipeline, run, reportOf(run.header, step)));
  vi.advanceTimersByTime(1000);
  expect(new Set(await Promise.all(again))).toEqual(new Set(['committed']));
  expect(stepsIn(directory, 'hc')).toEqual(range(1, 5010));
  // Judged and shown once.
  expect([run.detection.warnings.length, steps.length]).toEqual([raised, 5010]);
});

test.each(['deleted', 'moved'])('a recording that is %s while it is written is noticed with the next commit', async (how) => {
  const service = await start();
  const { directory } = service.pipeline;
  const path = join(directory, 'sent.sqlite');
  await sendSteps(service, 'sent', bodies(1, 2));
  if (how === 'moved') renameSync(path, join(directory, 'away.sqlite'));
  else rmSync(path);
  expect((await sendSteps(service, 'sent', bodies(3, 4))).status).toBe(200);
  expect(existsSync(path)).toBe(true);
  expect(stepsIn(directory)).toEqual([3, 4]);
  expect(service.problems.join('\n')).toMatch(/deleted or moved/);
  expect((await sendSteps(service, 'sent', bodies(5, 5))).status).toBe(200);
  expect(stepsIn(directory)).toEqual([3, 4, 5]);
});

test('an end that cannot be recorded is not acknowledged', async () => {
  const service = await start();
  await sendSteps(service, 'sent', bodies(1, 2));
  const run = service.pipeline.live.get('sent')!;
  const { db } = run.recording!;
  const lock = new Database(run.recording!.path);
  lock.exec('BEGIN IMMEDIATE');
  const close = () => sendState(service, 'sent', { state: 'closed', attempt: 'first', outcome: 'completed' });
  expect(await close()).toMatchObject({ status: 503 });
  expect(run.outcome).toBe(null);
  lock.exec('COMMIT');
  lock.close();
  expect((await close()).status).toBe(200);
  expect(db.open).toBe(false);
  expect(await json<RunDetail>(service, 'api/v1/runs/sent')).toMatchObject({ outcome: 'completed', live: false });
});

test('an end after a restart is recorded', async () => {
  const directory = temporaryFolder();
  const first = await start({ directory });
  await sendSteps(first, 'sent', bodies(1, 2));
  await first.close();
  const second = await start({ directory });
  expect((await sendState(second, 'sent', { state: 'closed', attempt: 'first', world_size: 1, outcome: 'failed' })).status).toBe(200);
  await second.close();
  expect(recorded(directory, 'sent').detail?.outcome).toBe('failed');
});

test('a report that can never be written keeps back no other', async () => {
  const { pipeline, directory, run } = await startRun(testHeader('hc'));
  const rotten = reportOf(run.header, 2);
  const monitor = { ...rotten.monitor, overheadSeconds: Number.NaN }; // NULL to SQLite, where none may be
  const given = [reportOf(run.header, 1), { ...rotten, monitor }, reportOf(run.header, 3)].map((one) => handleReport(pipeline, run, one));
  vi.advanceTimersByTime(1000);
  expect(await Promise.all(given)).toEqual(['committed', 'impossible', 'committed']);
  expect(stepsIn(directory, 'hc')).toEqual([1, 3]);
});

test('where nothing shall be kept, steps are taken; where nothing can be, they are not', async () => {
  const { handle } = await startIngest({ recorder: null });
  expect(await Promise.all(handle(body(1)).committed)).toEqual(['unrecorded']);
  const { handle: keep, pipeline } = await startIngest({ recorder: null, keeps: true });
  expect(await Promise.all(keep(body(1)).committed)).toEqual(['dropped']);
  const run = pipeline.live.get('sent')!;
  expect([run.recordingProblem, run.last?.step, settleRun(pipeline, run, 'completed')]).toEqual([
    expect.stringMatching(/SQLite/),
    1,
    false,
  ]);
});

test('a clock that jumps changes nothing', async () => {
  let now = 5_000_000;
  let monotonic = 0;
  const { ingest, handle, pipeline, warnings } = await startIngest({ now: () => now, monotonic: () => monotonic });
  const take = (rank: number, step: number) => handle(body(step, 'first', { rank: String(rank), world_size: '2' }));
  const pass = (ms: number) => {
    for (let at = 0; at < ms; at += 50) {
      monotonic += 50;
      vi.advanceTimersByTime(50);
    }
  };
  take(0, 1);
  take(1, 1);
  pass(500);
  for (const jump of [86_400_000, -2 * 86_400_000, 86_400_000]) {
    now += jump;
    sweep(ingest);
    const step = pipeline.live.get('sent')!.last!.step + 1;
    take(0, step);
    pass(1000);
    // Rank 1 is waited for all the same.
    expect(pipeline.live.get('sent')!.last!.step).toBe(step - 1);
    take(1, step);
    pass(500);
    expect(pipeline.live.get('sent')!.last!.step).toBe(step);
  }
  expect(warnings).toEqual([]);
  expect(ingest.runs.get('sent')!.endedAt).toBe(null);
});

const isRoot = process.getuid?.() === 0;
/** Root may write everywhere: as nobody, then. */
const NOBODY = isRoot ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] : [];

test.each([
  ['a folder that may not be written', (folder: string) => chmodSync(folder, 0o555), (folder: string) => chmodSync(folder, 0o777)],
])('%s, of a server that is not root', async (_name, obstruct, mend) => {
  const folder = temporaryFolder();
  chmodSync(folder, 0o755);
  const runs = join(folder, 'runs');
  mkdirSync(runs);
  obstruct(runs);
  const service = await startForTest(['serve', '--runs', runs, '--port', '0'], { through: NOBODY, env: { HOME: folder } });
  const refused = await sendSteps(service, 'sent', bodies(1, 1));
  expect(refused).toMatchObject({
    status: 503,
    answer: { error: { field: 'recording', rule: expect.stringContaining('may not be written') } },
  });
  mend(runs);
  await vi.waitFor(async () => expect((await sendSteps(service, 'sent', bodies(1, 2))).status).toBe(200), { timeout: 20_000 });
  expect(stepsIn(runs)).toEqual([1, 2]);
});
