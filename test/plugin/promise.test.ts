/** A 2xx is a promise: what is answered so is in the file, once, with its values; what cannot be kept is refused, shown, and taken later. */
import { chmodSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import Database from 'libsql';
import { expect, test, vi } from 'vitest';
import { sweep } from '../../plugin/ingest/lifecycle.ts';
import { handleReport, settleRun } from '../../plugin/pipeline/pipeline.ts';
import { APPLICATION_ID } from '../../plugin/recorder/migrations.ts';
import type { RunDetail } from '../../src/telemetry/api.ts';
import { temporaryFolder } from '../support/folders.ts';
import { fillDisk, startIngest, startPipeline, startRun } from '../support/pipelines.ts';
import { recorded } from '../support/recorded.ts';
import { reportOf } from '../support/reports.ts';
import { testHeader, testSample } from '../support/samples.ts';
import { ask, json, start } from '../support/service.ts';
import { bodyOf, sendJson, sendState, sendSteps } from '../support/wire.ts';

const header = testHeader('sent', 3, 4, 4);
const body = (step: number, attempt = 'first', change = {}) => bodyOf(header, { ...testSample(header, step), loss: step }, change, attempt);
const bodies = (from: number, to: number, attempt = 'first') => Array.from({ length: to - from + 1 }, (_, i) => body(from + i, attempt));
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
const storedIn = (directory: string, run = 'sent') => {
  const db = new Database(join(directory, `${run}.sqlite`));
  try {
    const rows = db.prepare('SELECT source, step, loss FROM steps JOIN attempts USING (attempt) ORDER BY attempt, step').all();
    return rows as { source: string | null; step: number; loss: number }[];
  } finally {
    db.close();
  }
};
const stepsIn = (directory: string, run?: string) => storedIn(directory, run).map(({ step }) => step);

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

test.skipIf(process.getuid?.() === 0)('a folder that may not be written', async () => {
  const directory = temporaryFolder();
  chmodSync(directory, 0o500);
  const service = await start({ directory });
  expect((await sendSteps(service, 'sent', bodies(1, 1))).status).toBe(503);
  chmodSync(directory, 0o700);
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

test('a later batch before an earlier one: all are stored, and the series are as in order', async () => {
  const service = await start();
  expect((await sendSteps(service, 'sent', bodies(51, 100))).answer).toMatchObject({ accepted: 50 });
  expect((await sendSteps(service, 'sent', bodies(1, 50))).answer).toMatchObject({ accepted: 50, duplicates: 0 });
  expect((await sendSteps(service, 'sent', bodies(30, 70))).answer).toMatchObject({ accepted: 0, duplicates: 41 });
  const other = await start();
  for (const [from, to] of [
    [1, 50],
    [51, 100],
  ])
    await sendSteps(other, 'sent', bodies(from, to));
  for (const points of [1, 5, 13, 100]) {
    const path = `api/v1/runs/sent/series?measure=forwardGain&points=${points}`;
    expect(await json(service, path)).toEqual(await json(other, path));
  }
  expect(await json<RunDetail>(service, 'api/v1/runs/sent')).toMatchObject({ attempt: 1, lastStep: 100, attempts: [{ forkStep: 1 }] });
});

test('steps in any order and any batches, some again: each is stored once, buckets as in order', async () => {
  const { pipeline } = await startPipeline();
  const one = testHeader('x', 2);
  await fc.assert(
    fc.asyncProperty(fc.shuffledSubarray(range(0, 90), { minLength: 1 }), fc.integer({ min: 1, max: 20 }), async (steps, size) => {
      const { openRecording, commitReports, closeRecording } = pipeline.recorder!;
      const bucketsOf = (order: number[], part: number) => {
        const directory = temporaryFolder();
        const recording = openRecording(directory, one, 1, { source: 'a', key: null, fresh: false });
        for (let at = 0; at < order.length; at += part) {
          const batch = order.slice(at, at + part);
          commitReports(
            recording,
            [...batch, batch[0]].map((step) => reportOf(one, step, { loss: step, measures: { forwardGain: step / 7 } })),
          );
        }
        closeRecording(recording, 'completed', 2);
        const db = new Database(recording.path);
        const rows = db.prepare('SELECT * FROM buckets ORDER BY level, bucket').all();
        const ends = db.prepare('SELECT first_step, last_step, max_composite_gain FROM attempts').all();
        db.close();
        return { rows, ends };
      };
      expect(bucketsOf(steps, size)).toEqual(
        bucketsOf(
          [...steps].sort((a, b) => a - b),
          100,
        ),
      );
    }),
    { numRuns: 30 },
  );
});

test('a batch that is refused takes nothing', async () => {
  const service = await start();
  await sendSteps(service, 'sent', bodies(1, 3));
  const other = testHeader('sent', 4, 4, 4);
  const rotten = bodyOf(other, testSample(other, 6), {}, 'first');
  expect((await sendSteps(service, 'sent', [body(4), body(5), rotten])).status).toBe(409);
  expect((await sendSteps(service, 'sent', [body(4), body(5, 'second')])).status).toBe(400);
  expect(stepsIn(service.pipeline.directory)).toEqual([1, 2, 3]);
  // Nor one whose late step is its last: rank 1 comes after step 7 was put together without it.
  expect((await sendSteps(service, 'sent', [body(4), body(5)])).answer).toMatchObject({ accepted: 2 });
});

test('after a restart with two attempts a step of either is stored once; what is over takes no more', async () => {
  const directory = temporaryFolder();
  const first = await start({ directory });
  const key = { 'Gainwatch-Key': 'one-training-0123' };
  const steps = (service: typeof first, list: number[], attempt: string) =>
    sendJson(
      service,
      'sent',
      list.map((step) => ({ step, attempt, loss: step, order: ['a'] })),
      key,
    );
  await steps(first, [1, 2, 3], 'a');
  await steps(first, [2, 3], 'b');
  await first.close();
  const second = await start({ directory });
  expect((await steps(second, [1, 2, 3], 'a')).answer).toMatchObject({ accepted: 0, duplicates: 3 });
  expect(await steps(second, [3, 4], 'a')).toMatchObject({ status: 409, answer: { error: { field: 'step', value: 4 } } });
  expect((await steps(second, [3, 4], 'b')).answer).toMatchObject({ accepted: 1, duplicates: 1 });
  expect(storedIn(directory).map(({ source, step }) => `${source}${step}`)).toEqual(['a1', 'a2', 'a3', 'b2', 'b3', 'b4']);
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
  expect(await Promise.all(given)).toEqual(['committed', 'dropped', 'committed']);
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

test('512 ranks of 32 steps: none that was sent is late', async () => {
  const service = await start();
  const ranks = 512;
  const send = async (rank: number): Promise<number> => {
    const steps = range(1, 32).map((step) => ({ step, attempt: 'a', rank, world_size: ranks, loss: rank, order: ['a'] }));
    for (;;) {
      const { status, answer } = await sendJson(service, 'sent', steps);
      if (status === 200) return Number(answer['accepted']) + Number(answer['duplicates']);
      if (status !== 503) throw new Error(JSON.stringify(answer));
      await new Promise((resolve) => setTimeout(resolve, 500 + Math.random() * 1000));
    }
  };
  const taken = await Promise.all(Array.from({ length: ranks }, (_, rank) => send(rank)));
  expect(taken).toEqual(Array(ranks).fill(32));
  const mean = (ranks - 1) / 2;
  expect(storedIn(service.pipeline.directory)).toEqual(range(1, 32).map((step) => ({ source: 'a', step, loss: mean })));
});
