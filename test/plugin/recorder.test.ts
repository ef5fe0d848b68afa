/** Recordings: what is written is read back, whatever breaks off, and what is none is refused. Series: recordedSeries.test.ts. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { checkRunName, listRuns } from '../../plugin/recorder/directory.ts';
import { openReader, readDetail, readLatest, readSteps, readSummary } from '../../plugin/recorder/read.ts';
import { readSeries } from '../../plugin/recorder/recordedSeries.ts';
import { closeRecording, commitReports, openRecording } from '../../plugin/recorder/write.ts';
import type { Severity } from '../../src/telemetry/warning.ts';
import { fromWire } from '../../src/telemetry/wire.ts';
import { temporaryFolder } from '../support/folders.ts';
import { findSqlite } from '../support/programs.ts';
import { brokenMappings, changeRecording, readerOf, record, recorded, reports } from '../support/recorded.ts';
import { testHeader, testReport, testWarning } from '../support/samples.ts';
import { asVersion } from '../support/uploads.ts';

const header = testHeader('hc');

describe('what is written is read back', () => {
  test('every field, with NaN, infinities and what is not known', () => {
    const strange = testReport(header, 2, {
      loss: Number.NaN,
      gradientNorm: null,
      learningRate: Number.POSITIVE_INFINITY,
      memory: null,
      mappings: brokenMappings(),
    });
    const written = [testReport(header, 1), strange];
    const reader = readerOf(record(temporaryFolder(), [written]));
    const read = [...readSteps(reader)];
    expect(read.map((r) => r.report)).toEqual(written);
    expect(read[0].header).toEqual(header);
    expect(Number.isNaN(read[1].report.loss)).toBe(true);
    expect(readLatest(reader)?.report).toEqual(strange);
    const detail = readDetail(reader);
    expect(detail).toMatchObject({ run: 'hc', attempt: 1, lastStep: 2, outcome: 'completed', lastLoss: 'NaN', connectionCount: 3 });
  });

  test('a step back, and opening again, start attempts that keep the old steps', () => {
    const folder = temporaryFolder();
    record(folder, [reports(1, 10)]);
    const path = record(folder, [reports(5, 8), [testReport(header, 7, { loss: 42 })]]);
    const reader = readerOf(path);
    const detail = readDetail(reader);
    expect(detail?.attempts.map((a) => [a.attempt, a.forkStep, a.lastStep, a.outcome])).toEqual([
      [1, 1, 10, 'completed'],
      [2, 5, 8, 'unknown'],
      [3, 7, 7, 'completed'],
    ]);
    expect([...readSteps(reader)].map((r) => `${r.attempt}:${r.report.step}`).length).toBe(15);
    const series = readSeries(reader, { measure: 'loss' });
    expect(series.steps).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(series.series[0].max.at(-1)).toBe(42);
    expect(readSeries(reader, { measure: 'loss', attempt: 1 }).steps).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });
});

test('the largest composite gain is the largest number, whatever was no number before or after it; NaN where nothing else was', () => {
  const gains = (...values: number[]) => {
    const reports = values.map((compositeGain, i) => ({ ...testReport(header, i + 1), compositeGain }));
    return readSummary(readerOf(record(temporaryFolder(), [reports.slice(0, 2), reports.slice(2)])))?.maxCompositeGain;
  };
  const { NaN: nan, POSITIVE_INFINITY: up } = Number;
  expect(gains(nan, 7, nan, 2)).toBe(7);
  expect(gains(3, nan, 2, 1)).toBe(3);
  expect(gains(up, nan, 2, nan)).toBe('+Inf');
  expect(gains(nan, nan, nan)).toBe('NaN');
});

test('the summary counts warnings that hold and are more than information', () => {
  const recording = openRecording(temporaryFolder(), header, 1000);
  const warning = (id: number, severity: Severity, clearedTime: number | null = null) => testWarning({ severity }, { id, clearedTime });
  const changed = [warning(0, 'info'), warning(1, 'warning'), warning(2, 'critical'), warning(3, 'critical', 7)];
  commitReports(recording, reports(1, 2), { changed, state: null });
  closeRecording(recording, 'completed', 2000);
  const count = () => readSummary(readerOf(recording.path))?.activeWarnings;
  expect(count()).toBe(2);
  changeRecording(recording.path, asVersion(2));
  expect(count()).toBe(2);
  changeRecording(recording.path, 'DROP TABLE warnings; DROP TABLE detectors; PRAGMA user_version = 1;');
  expect(count()).toBe(0);
});

test('a refused write leaves the recording as it was, and can be repeated', () => {
  const recording = openRecording(temporaryFolder(), header, 0);
  commitReports(recording, reports(1, 3));
  recording.db.pragma('max_page_count = 1'); // SQLite's own "disk is full"
  expect(() => commitReports(recording, reports(4, 200))).toThrow(/full/);
  expect(recording.lastStep).toBe(3);
  recording.db.pragma('max_page_count = 1000000');
  commitReports(recording, reports(4, 200));
  closeRecording(recording, 'completed', 1);
  const reader = readerOf(recording.path);
  expect([...readSteps(reader)].map((r) => r.report.step)).toEqual(Array.from({ length: 200 }, (_, i) => i + 1));
  expect(fromWire(readSeries(reader, { measure: 'loss', points: 1 }).series[0].max[0]!)).toBe(5);
});

test('after kill -9 all that was committed is there, and the run is known to have vanished', async () => {
  const folder = temporaryFolder();
  const script = `
    const { openRecording, commitReports } = await import('${new URL('../../dist/plugin/recorder/write.js', import.meta.url)}');
    const report = JSON.parse(process.argv[1]);
    const recording = openRecording(process.argv[2], JSON.parse(process.argv[3]), Date.now());
    const L = 3;
    for (let step = 1; ; step++) {
      commitReports(recording, [{ ...report, step, measures: new Float32Array(20 * L), mapping: new Float32Array(L * 4), nonfinite: new Float64Array(L), memory: null }]);
      process.stdout.write(step + '\\n');
    }`;
  const args = [JSON.stringify(testReport(header, 1)), folder, JSON.stringify(header)];
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, ...args]);
  let committed = 0;
  child.stdout.on('data', (data: Buffer) => {
    committed = Math.max(committed, ...String(data).trim().split('\n').map(Number));
    if (committed >= 50) child.kill('SIGKILL');
  });
  await once(child, 'close');
  expect(committed).toBeGreaterThanOrEqual(50);
  const { steps, detail } = recorded(folder, 'hc');
  const found = steps.map((r) => r.report.step);
  expect(found.length).toBeGreaterThanOrEqual(committed);
  expect(found).toEqual(found.map((_, i) => i + 1));
  expect(detail?.outcome).toBe('unknown');
  expect(listRuns(folder)).toEqual(['hc']);
});

const sqlite = findSqlite();
test.skipIf(sqlite === null)('sqlite3 reads a recording while it is written', () => {
  const recording = openRecording(temporaryFolder(), header, 0);
  commitReports(recording, reports(1, 20));
  const sql = 'SELECT count(*), max(step) FROM scalars; PRAGMA integrity_check; PRAGMA journal_mode;';
  const answer = execFileSync(sqlite!, [recording.path, sql], { encoding: 'utf8' });
  expect(answer.trim().split('\n')).toEqual(['20|20', 'ok', 'wal']);
  commitReports(recording, reports(21, 22));
  closeRecording(recording, 'completed', 1);
});

describe('what is refused', () => {
  test('a file that is no recording, a foreign database, a newer version, a missing file', () => {
    const folder = temporaryFolder();
    const garbage = join(folder, 'garbage.sqlite');
    writeFileSync(garbage, 'this is not a database, but it is long enough to be looked at as one'.repeat(20));
    expect(() => openReader(garbage)).toThrow(/garbage.sqlite is not a gainwatch recording/);
    expect(() => openRecording(folder, { ...header, run: 'garbage' }, 0)).toThrow(/not a gainwatch recording/);
    const foreign = join(folder, 'foreign.sqlite');
    changeRecording(foreign, 'CREATE TABLE t (a)');
    expect(() => openReader(foreign)).toThrow(/application_id is 0/);
    const path = record(folder, [reports(1, 1)]);
    changeRecording(path, 'PRAGMA user_version = 99');
    expect(() => openReader(path)).toThrow(/schema version 99/);
    expect(() => openReader(join(folder, 'none.sqlite'))).toThrow(/none.sqlite cannot be opened/);
    expect(readdirSync(folder)).not.toContain('none.sqlite');
  });

  test('names that are no file names, unknown measures and connections', () => {
    for (const name of ['', '../x', 'a/b', '.x', 'x'.repeat(65), 'a b']) expect(() => checkRunName(name)).toThrow(/run must be/);
    const reader = readerOf(record(temporaryFolder(), [reports(1, 2)]));
    expect(() => readSeries(reader, { measure: 'gain' })).toThrow(/measure must be one of .*, got gain/);
    expect(() => readSeries(reader, { measure: 'forwardGain', connections: ['block9'] })).toThrow(/connection must be .*, got block9/);
    expect(() => readSeries(reader, { measure: 'loss', attempt: 7 })).toThrow(/attempt must be one of 1, got 7/);
  });
});
