import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import Database from 'libsql';
import { describe, expect, test } from 'vitest';
import { checkRunName, listRuns, recordingPath } from '../../plugin/recorder/directory.ts';
import { closeReader, openReader, readLatest, readSteps } from '../../plugin/recorder/read.ts';
import { readDetail, readSummary } from '../../plugin/recorder/recordedRun.ts';
import { readSeries } from '../../plugin/recorder/recordedSeries.ts';
import { closeRecording, commitReports, openRecording } from '../../plugin/recorder/write.ts';
import type { StepReport } from '../../src/telemetry/report.ts';
import type { Severity, WarningRecord } from '../../src/telemetry/warning.ts';
import { fromWire } from '../../src/telemetry/wire.ts';
import { temporaryFolder } from '../support/folders.ts';
import { findSqlite } from '../support/programs.ts';
import { testHeader, testReport } from '../support/samples.ts';

const header = testHeader('hc');
const steps = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => testReport(header, from + i));

function recorded(folder: string, batches: StepReport[][]): string {
  const recording = openRecording(folder, header, 1000);
  for (const batch of batches) commitReports(recording, batch);
  closeRecording(recording, 'completed', 2000);
  return recording.path;
}

describe('what is written is read back', () => {
  test('every field, with NaN, infinities and what is not known', () => {
    const folder = temporaryFolder();
    const strange = testReport(header, 2, {
      loss: Number.NaN,
      gradientNorm: null,
      learningRate: Number.POSITIVE_INFINITY,
      memory: null,
      mappings: testReportMappings(Number.NaN),
    });
    const written = [testReport(header, 1), strange];
    const reader = openReader(recorded(folder, [written]));
    const read = [...readSteps(reader)];
    expect(read.map((r) => r.report)).toEqual(written);
    expect(read[0].header).toEqual(header);
    expect(Number.isNaN(read[1].report.loss)).toBe(true);
    expect(readLatest(reader)?.report).toEqual(strange);
    const detail = readDetail(reader);
    expect(detail).toMatchObject({ run: 'hc', attempt: 1, lastStep: 2, outcome: 'completed', lastLoss: 'NaN', connectionCount: 3 });
    closeReader(reader);
  });

  test('a step back, and opening again, start attempts that keep the old steps', () => {
    const folder = temporaryFolder();
    recorded(folder, [steps(1, 10)]);
    const path = recorded(folder, [steps(5, 8), [testReport(header, 7, { loss: 42 })]]);
    const reader = openReader(path);
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
    closeReader(reader);
  });
});

const testReportMappings = (value: number) => {
  const mappings = new Float32Array(3 * 4 * 4).fill(0.5);
  mappings[5] = value;
  return mappings;
};

test('law: a reduced series has the minimum and maximum of the steps it stands for, however they were committed', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 120 }),
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 50 }),
      (numbers, batch, points) => {
        const folder = temporaryFolder();
        const sorted = numbers.sort((a, b) => a - b);
        const lossAt = (step: number) => (step % 7 === 0 ? Number.NaN : step % 3 === 0 ? null : Math.sin(step));
        const reports = sorted.map((step) => testReport(header, step, { loss: lossAt(step) }));
        const batches = Array.from({ length: Math.ceil(reports.length / batch) }, (_, i) => reports.slice(i * batch, (i + 1) * batch));
        const reader = openReader(recorded(folder, batches));
        const answer = readSeries(reader, { measure: 'loss', points });
        const columns = readSeries(reader, { measure: 'columnDeviation', points });
        closeReader(reader);
        expect(answer.steps.length).toBeLessThanOrEqual(points + 1);
        expect(columns.steps).toEqual(answer.steps);
        answer.steps.forEach((first, i) => {
          const end = answer.steps[i + 1] ?? Number.POSITIVE_INFINITY;
          const losses = reports.filter((r) => r.step >= first && r.step < end).flatMap((r) => r.loss ?? []);
          const finite = losses.filter((v) => !Number.isNaN(v));
          const low = finite.length > 0 ? Math.min(...finite) : Number.NaN;
          const [min, max] = [answer.series[0].min[i], answer.series[0].max[i]];
          expect(min === null ? null : fromWire(min)).toBe(losses.length > 0 ? low : null);
          expect(max === null ? null : fromWire(max)).toBe(losses.length > 0 ? Math.max(...losses) : null);
        });
      },
    ),
    { numRuns: 15 },
  );
});

describe('a reduced series', () => {
  const lossOf = (path: string, points: number) => {
    const reader = openReader(path);
    const { bucket, series } = readSeries(reader, { measure: 'loss', points });
    closeReader(reader);
    return { bucket, min: series[0].min, max: series[0].max };
  };
  /** Steps 8 to 71 with these losses, else none known. */
  const withLosses = (losses: Record<number, number>) =>
    recorded(temporaryFolder(), [Array.from({ length: 64 }, (_, i) => testReport(header, 8 + i, { loss: losses[8 + i] ?? null }))]);

  test('leaves out what is not known, shows one NaN as the maximum, and keeps infinities', () => {
    const { NaN: nan, POSITIVE_INFINITY: up, NEGATIVE_INFINITY: down } = Number;
    const path = withLosses({ 10: 3, 20: 4, 23: nan, 30: nan, 34: up, 40: down, 42: nan, 50: 5, 51: up });
    const steps = lossOf(path, 1000);
    expect(steps.bucket).toBe(1);
    expect(steps.min.slice(0, 16)).toEqual([null, null, 3, ...new Array(9).fill(null), 4, null, null, 'NaN']);
    expect(steps.max).toEqual(steps.min);
    const eight = {
      bucket: 8,
      min: [3, 4, 'NaN', '+Inf', '-Inf', 5, null, null],
      max: [3, 'NaN', 'NaN', '+Inf', 'NaN', '+Inf', null, null],
    };
    expect(lossOf(path, 8)).toEqual(eight); // from the buckets of level 1
    expect(lossOf(path, 10)).toEqual({
      bucket: 7, // from steps
      min: [3, 4, 'NaN', '+Inf', '-Inf', 'NaN', 5, null, null, null],
      max: [3, 4, 'NaN', 'NaN', '-Inf', 'NaN', '+Inf', null, null, null],
    });
    expect(lossOf(path, 4)).toEqual({ bucket: 16, min: [3, 4, '-Inf', 5, null], max: [3, 'NaN', 'NaN', '+Inf', null] });
    expect(lossOf(withLosses({ 10: 3, 50: 5 }), 1)).toEqual({ bucket: 64, min: [3, null], max: [5, null] });
  });

  test('of an older recording has NaN where nothing was known, as it was written', () => {
    const path = withLosses({ 10: 3 });
    const db = new Database(path);
    const nothing = Buffer.from(new Float64Array(5).fill(Number.NaN).buffer);
    db.prepare('UPDATE buckets SET scalars_min = ?, scalars_max = ? WHERE first_step > 8').run(nothing, nothing);
    db.close();
    expect(lossOf(path, 8)).toEqual({ bucket: 8, min: [3, ...new Array(7).fill('NaN')], max: [3, ...new Array(7).fill('NaN')] });
  });

  test('of a measure is NaN as a minimum only where no step has it', () => {
    const broken = testReport(header, 20, { mappings: testReportMappings(Number.NaN) });
    const reports = steps(8, 71).map((report) => (report.step === 20 ? broken : report));
    const reader = openReader(recorded(temporaryFolder(), [reports]));
    const [first, second] = readSeries(reader, { measure: 'columnDeviation', points: 8 }).series;
    const lacking = readSeries(reader, { measure: 'logitRange', points: 8 }).series[0];
    closeReader(reader);
    expect(first.min.every((value) => typeof value === 'number')).toBe(true);
    expect(first.max.map((value) => value === 'NaN')).toEqual([false, true, ...new Array(6).fill(false)]);
    expect(second.max).not.toContain('NaN');
    expect([...lacking.min, ...lacking.max]).toEqual(new Array(16).fill('NaN'));
  });
});

test('the largest composite gain is the largest number, whatever was no number before or after it; NaN where nothing else was', () => {
  const gains = (...values: number[]) => {
    const reports = values.map((compositeGain, i) => ({ ...testReport(header, i + 1), compositeGain }));
    const reader = openReader(recorded(temporaryFolder(), [reports.slice(0, 2), reports.slice(2)]));
    const summary = readSummary(reader);
    closeReader(reader);
    return summary?.maxCompositeGain;
  };
  const { NaN: nan, POSITIVE_INFINITY: up } = Number;
  expect(gains(nan, 7, nan, 2)).toBe(7);
  expect(gains(3, nan, 2, 1)).toBe(3);
  expect(gains(up, nan, 2, nan)).toBe('+Inf');
  expect(gains(nan, nan, nan)).toBe('NaN');
});

test('the summary counts warnings that hold and are more than information', () => {
  const folder = temporaryFolder();
  const recording = openRecording(folder, header, 1000);
  const record = (id: number, severity: Severity, clearedTime: number | null = null): WarningRecord => {
    const about = { run: 'hc', rule: 'nonfinite', severity, step: 1, time: 5, connection: null, suspects: [], measure: 'loss' } as const;
    const warning = {
      ...about,
      suspects: [],
      value: 1,
      threshold: 0,
      cause: null,
      stepsLeft: null,
      interval: null,
      message: '',
      runbook: '',
    };
    return { id, warning, clearedStep: null, clearedTime, acknowledgedTime: null };
  };
  const changed = [record(0, 'info'), record(1, 'warning'), record(2, 'critical'), record(3, 'critical', 7)];
  commitReports(recording, steps(1, 2), { changed, state: null });
  closeRecording(recording, 'completed', 2000);
  const count = () => {
    const reader = openReader(recording.path);
    const summary = readSummary(reader);
    closeReader(reader);
    return summary?.activeWarnings;
  };
  expect(count()).toBe(2);
  const db = new Database(recording.path);
  db.exec('ALTER TABLE attempts DROP COLUMN source; ALTER TABLE warnings DROP COLUMN acknowledged_time; PRAGMA user_version = 2;');
  expect(count()).toBe(2);
  db.exec('DROP TABLE warnings; DROP TABLE detectors; PRAGMA user_version = 1;');
  db.close();
  expect(count()).toBe(0);
});

test('a refused write leaves the recording as it was, and can be repeated', () => {
  const folder = temporaryFolder();
  const recording = openRecording(folder, header, 0);
  commitReports(recording, steps(1, 3));
  recording.db.pragma('max_page_count = 1'); // SQLite's own "disk is full"
  expect(() => commitReports(recording, steps(4, 200))).toThrow(/full/);
  expect(recording.lastStep).toBe(3);
  recording.db.pragma('max_page_count = 1000000');
  commitReports(recording, steps(4, 200));
  closeRecording(recording, 'completed', 1);
  const reader = openReader(recording.path);
  expect([...readSteps(reader)].map((r) => r.report.step)).toEqual(Array.from({ length: 200 }, (_, i) => i + 1));
  expect(fromWire(readSeries(reader, { measure: 'loss', points: 1 }).series[0].max[0]!)).toBe(5);
  closeReader(reader);
});

test('after kill -9 all that was acknowledged is there, and the run is known to have vanished', async () => {
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
  const child = spawn(process.execPath, [
    '--input-type=module',
    '-e',
    script,
    JSON.stringify(testReport(header, 1)),
    folder,
    JSON.stringify(header),
  ]);
  let acknowledged = 0;
  child.stdout.on('data', (data: Buffer) => {
    acknowledged = Math.max(acknowledged, ...String(data).trim().split('\n').map(Number));
    if (acknowledged >= 50) child.kill('SIGKILL');
  });
  await once(child, 'close');
  expect(acknowledged).toBeGreaterThanOrEqual(50);
  const reader = openReader(recordingPath(folder, 'hc'));
  const found = [...readSteps(reader)].map((r) => r.report.step);
  expect(found.length).toBeGreaterThanOrEqual(acknowledged);
  expect(found).toEqual(found.map((_, i) => i + 1));
  expect(readDetail(reader)?.outcome).toBe('unknown');
  closeReader(reader);
  expect(listRuns(folder)).toEqual(['hc']);
});

const sqlite = findSqlite();
test.skipIf(sqlite === null)('sqlite3 reads a recording while it is written', () => {
  const folder = temporaryFolder();
  const recording = openRecording(folder, header, 0);
  commitReports(recording, steps(1, 20));
  const answer = execFileSync(
    sqlite!,
    [recording.path, 'SELECT count(*), max(step) FROM scalars; PRAGMA integrity_check; PRAGMA journal_mode;'],
    { encoding: 'utf8' },
  );
  expect(answer.trim().split('\n')).toEqual(['20|20', 'ok', 'wal']);
  commitReports(recording, steps(21, 22));
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
    const db = new Database(foreign);
    db.exec('CREATE TABLE t (a)');
    db.close();
    expect(() => openReader(foreign)).toThrow(/application_id is 0/);
    const path = recorded(folder, [steps(1, 1)]);
    const newer = new Database(path);
    newer.pragma('user_version = 99');
    newer.close();
    expect(() => openReader(path)).toThrow(/schema version 99/);
    expect(() => openReader(join(folder, 'none.sqlite'))).toThrow(/none.sqlite cannot be opened/);
    expect(readdirSync(folder)).not.toContain('none.sqlite');
  });

  test('names that are no file names, unknown measures and connections', () => {
    for (const name of ['', '../x', 'a/b', '.x', 'x'.repeat(65), 'a b']) expect(() => checkRunName(name)).toThrow(/run must be/);
    const reader = openReader(recorded(temporaryFolder(), [steps(1, 2)]));
    expect(() => readSeries(reader, { measure: 'gain' })).toThrow(/measure must be one of .*, got gain/);
    expect(() => readSeries(reader, { measure: 'forwardGain', connections: ['block9'] })).toThrow(/connection must be .*, got block9/);
    expect(() => readSeries(reader, { measure: 'loss', attempt: 7 })).toThrow(/attempt must be one of 1, got 7/);
    closeReader(reader);
  });
});
