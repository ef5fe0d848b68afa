/** Which recordings are removed: the laws of the decision, and what is never touched in a folder. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, fstatSync, linkSync, openSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import Database from 'libsql';
import { expect, onTestFinished, test, vi } from 'vitest';
import { openRun } from '../../dist/plugin/pipeline/pipeline.js';
import { type Retention, removeOld } from '../../plugin/recorder/removeRecordings.ts';
import { chooseRemovals, DAY_MS, type KeptRecording } from '../../plugin/recorder/retention.ts';
import { closeRecording, commitReports, openRecording } from '../../plugin/recorder/write.ts';
import type { RunSummary } from '../../src/telemetry/api.ts';
import { temporaryFolder } from '../support/folders.ts';
import { changeRecording } from '../support/recorded.ts';
import { testHeader, testReport } from '../support/samples.ts';
import { json, start } from '../support/service.ts';
import { connectStream } from '../support/streamClient.ts';

const NOW = Date.now();

const kept = fc
  .uniqueArray(
    fc.record({ name: fc.string(), bytes: fc.nat(1e6), endedAt: fc.integer({ min: NOW - 100 * DAY_MS, max: NOW }), live: fc.boolean() }),
    { selector: ({ name }) => name },
  )
  .map((list): KeptRecording[] => list);
const limits = fc.record({
  keepDays: fc.option(fc.double({ min: 0.1, max: 120, noNaN: true })),
  maxBytes: fc.option(fc.integer({ min: 1, max: 5e6 })),
});
const bytesOf = (recordings: readonly KeptRecording[]) => recordings.reduce((sum, { bytes }) => sum + bytes, 0);

test('the laws of the decision: never a live one, the oldest first, no more than must be, and afterwards all is within the limits', () => {
  fc.assert(
    fc.property(kept, limits, (recordings, { keepDays, maxBytes }) => {
      const before = structuredClone(recordings);
      const removals = chooseRemovals(recordings, { keepDays, maxBytes }, NOW);
      expect(recordings).toEqual(before);
      const gone = new Set(removals.map(({ name }) => name));
      const left = recordings.filter(({ name }) => !gone.has(name));
      const ended = left.filter(({ live }) => !live);
      const isOld = ({ endedAt }: KeptRecording) => keepDays !== null && NOW - endedAt > keepDays * DAY_MS;
      expect(removals.filter(({ live }) => live)).toEqual([]);
      const oldestLeft = Math.min(...ended.map(({ endedAt }) => endedAt));
      for (const { endedAt } of removals) expect(endedAt).toBeLessThanOrEqual(oldestLeft);
      expect(removals.map(({ endedAt }) => endedAt)).toEqual(removals.map(({ endedAt }) => endedAt).sort((a, b) => a - b));
      expect(ended.filter(isOld)).toEqual([]);
      if (maxBytes !== null && ended.length > 0) expect(bytesOf(left)).toBeLessThanOrEqual(maxBytes);
      const last = removals.at(-1);
      if (last !== undefined && !isOld(last)) expect(bytesOf(left) + last.bytes).toBeGreaterThan(maxBytes!);
      for (const removal of removals) expect(removal.why).toBe(isOld(removal) ? 'age' : 'size');
      expect(chooseRemovals(left, { keepDays, maxBytes }, NOW)).toEqual([]);
    }),
    { numRuns: 500 },
  );
});

/** An ended recording, last written so many days ago. */
function record(directory: string, run: string, daysAgo: number, { sql = '', outcome = 'completed' as const, steps = 1 } = {}): string {
  const header = { ...testHeader('hc'), run };
  const recording = openRecording(directory, header, NOW - daysAgo * DAY_MS);
  commitReports(
    recording,
    Array.from({ length: steps }, (_, i) => testReport(header, i + 1)),
  );
  closeRecording(recording, outcome, NOW - daysAgo * DAY_MS);
  if (sql !== '') changeRecording(recording.path, `${sql}; PRAGMA wal_checkpoint(TRUNCATE)`); // it is closed later
  age(recording.path, daysAgo);
  return recording.path;
}

/** As if it was last written so many days ago. */
function age(path: string, days: number): void {
  const time = new Date(NOW - days * DAY_MS);
  for (const end of ['', '-wal', '-shm']) if (existsSync(path + end)) utimesSync(path + end, time, time);
}

function retentionOf(directory: string, change: Partial<Retention> = {}): Retention & { problems: string[] } {
  const problems: string[] = [];
  return {
    directory,
    limits: { keepDays: 7, maxBytes: null },
    isHere: () => false,
    now: () => NOW,
    onProblem: (message) => problems.push(message),
    known: new Map(),
    toldTooMuch: false,
    problems,
    ...change,
  };
}

test('what ended long ago goes, with the files beside it, and is said; what is young stays', async () => {
  const directory = temporaryFolder();
  record(directory, 'old', 8);
  record(directory, 'young', 6);
  const retention = retentionOf(directory);
  expect((await removeOld(retention)).map(({ name }) => name)).toEqual(['old']);
  expect(readdirSync(directory).filter((file) => file.startsWith('old'))).toEqual([]);
  expect(existsSync(join(directory, 'young.sqlite'))).toBe(true);
  expect(retention.problems).toEqual([
    expect.stringMatching(/^the recording of run old is removed: it ended more than 7 days ago \(--keep-days\); .* had \d+ bytes$/),
  ]);
  expect(await removeOld(retention)).toEqual([]);
});

test('above a size the oldest go, as many as must', async () => {
  const directory = temporaryFolder();
  const paths = [5, 4, 3, 2].map((days) => record(directory, `run${days}`, days));
  const sizes = paths.map((path) => statSync(path).size);
  const maxBytes = sizes[2] + sizes[3] + 1;
  const retention = retentionOf(directory, { limits: { keepDays: null, maxBytes } });
  expect((await removeOld(retention)).map(({ name, why }) => [name, why])).toEqual([
    ['run5', 'size'],
    ['run4', 'size'],
  ]);
  expect(retention.problems[0]).toMatch(new RegExp(`all have more than ${maxBytes} bytes \\(--max-bytes\\)`));
});

test('never touched: what goes on here or elsewhere, was just written, may be resumed, is locked, is uploaded, or is no recording', async () => {
  const directory = temporaryFolder();
  const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  onTestFinished(() => void other.kill('SIGKILL'));
  record(directory, 'here', 30);
  record(directory, 'elsewhere', 30, { sql: `UPDATE attempts SET outcome = NULL, ended_at = NULL, pid = ${other.pid}` });
  const columns = 'run, started_at, streams, tokens, connections, measures, memory_kinds';
  record(directory, 'earlier-attempt', 30, {
    sql: `INSERT INTO attempts (attempt, pid, ${columns}) SELECT 0, ${other.pid}, ${columns} FROM attempts`,
  });
  age(record(directory, 'written-now', 30), 0);
  record(directory, 'unknown', 0.9, { sql: "UPDATE attempts SET outcome = 'unknown'" });
  record(directory, 'vanished', 0.9, { sql: 'UPDATE attempts SET outcome = NULL, ended_at = NULL, pid = 999999999' });
  const locked = new Database(record(directory, 'locked', 30));
  locked.exec('BEGIN IMMEDIATE');
  onTestFinished(() => void locked.close());
  record(directory, 'container', 0.9, { sql: `UPDATE attempts SET outcome = NULL, ended_at = NULL, pid = ${process.pid}` });
  writeFileSync(join(directory, 'garbage.sqlite'), 'x'.repeat(5000));
  age(join(directory, 'garbage.sqlite'), 30);
  record(join(directory, 'uploads'), 'dropped', 30);
  const files = readdirSync(directory).filter((file) => file.endsWith('.sqlite'));
  for (const limits of [
    { keepDays: 0.001, maxBytes: null },
    { keepDays: null, maxBytes: 1 },
  ]) {
    const retention = retentionOf(directory, { limits, isHere: (run) => run === 'here' });
    for (let round = 0; round < 2; round++) expect(await removeOld(retention)).toEqual([]);
    const tooMuch = /^the recordings have \d+ bytes, more than 1 \(--max-bytes\): what is left goes on, or was written lately$/;
    expect(retention.problems).toEqual(limits.maxBytes === null ? [] : [expect.stringMatching(tooMuch)]);
  }
  expect(readdirSync(directory).filter((file) => file.endsWith('.sqlite'))).toEqual(files);
  expect(existsSync(join(directory, 'uploads', 'dropped.sqlite'))).toBe(true);
  const ended = once(other, 'close');
  other.kill('SIGKILL');
  await ended;
  locked.exec('ROLLBACK');
  const gone = await removeOld(retentionOf(directory, { limits: { keepDays: 0.5, maxBytes: null }, isHere: (run) => run === 'here' }));
  expect(gone.map(({ name }) => name).sort()).toEqual(['earlier-attempt', 'elsewhere', 'locked']);
});

test('a removed file gives its bytes back although somebody has it open; one that has another name keeps them', async () => {
  const directory = temporaryFolder();
  const paths = ['a', 'b'].map((run) => record(directory, run, 30));
  const files = paths.map((path) => openSync(path, 'r'));
  onTestFinished(() => files.forEach((file) => void closeSync(file)));
  linkSync(paths[1], join(temporaryFolder(), 'backup'));
  expect(await removeOld(retentionOf(directory))).toHaveLength(2);
  expect(fstatSync(files[0]).size).toBe(0);
  expect(fstatSync(files[1]).size).toBeGreaterThan(0);
});

test('what a process of our number has left, as a container before this one, goes after its day', async () => {
  const directory = temporaryFolder();
  record(directory, 'container', 2, { sql: `UPDATE attempts SET outcome = NULL, ended_at = NULL, pid = ${process.pid}` });
  expect(await removeOld(retentionOf(directory, { limits: { keepDays: 1.5, maxBytes: null } }))).toHaveLength(1);
});

test('one that is gone on with between the look and the removal stays', async () => {
  const directory = temporaryFolder();
  record(directory, 'a', 30);
  record(directory, 'b', 30);
  const here = new Set<string>();
  const retention = retentionOf(directory, {
    isHere: (run) => here.has(run),
    onProblem: () => {
      // As a is removed, this process opens b.
      here.add('b');
      const header = { ...testHeader('hc'), run: 'b' };
      commitReports(openRecording(directory, header, NOW), [testReport(header, 2)]);
    },
  });
  expect((await removeOld(retention)).map(({ name }) => name)).toEqual(['a']);
  expect(existsSync(join(directory, 'b.sqlite'))).toBe(true);
});

test('a server keeps its folder within the limits: from the start, what goes on here aside, and what is gone is not listed', async () => {
  const directory = temporaryFolder();
  record(directory, 'old', 30);
  record(directory, 'new', 1);
  const service = await start({ directory, keepDays: 7 });
  openRun(service.pipeline, { ...testHeader('hc'), run: 'live' });
  await vi.waitFor(() => expect(service.problems).toEqual([expect.stringMatching(/^the recording of run old is removed/)]), 10_000);
  expect((await json<RunSummary[]>(service, 'api/v1/runs')).map(({ run }) => run).sort()).toEqual(['live', 'new']);
  expect((await fetch(`${service.url}api/v1/runs/old`)).status).toBe(404);
});

test('a page that shows a run is told when it is removed', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  onTestFinished(() => void vi.useRealTimers());
  const directory = temporaryFolder();
  const locked = new Database(record(directory, 'old', 30));
  locked.exec('BEGIN IMMEDIATE');
  const service = await start({ directory, keepDays: 7 });
  const client = await connectStream(service);
  expect((await json<RunSummary[]>(service, 'api/v1/runs')).map(({ run }) => run)).toEqual(['old']);
  locked.exec('ROLLBACK');
  locked.close();
  vi.advanceTimersByTime(300_000);
  expect((await client.events('gone', 1))[0].data).toEqual({ run: 'old' });
  expect(await json<RunSummary[]>(service, 'api/v1/runs')).toEqual([]);
});
