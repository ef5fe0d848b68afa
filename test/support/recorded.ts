/** Recordings: made of made-up reports, read, and changed behind the back of gainwatch. */
import { inflateRawSync } from 'node:zlib';
import Database from 'libsql';
import { onTestFinished } from 'vitest';
import { recordingPath } from '../../plugin/recorder/directory.ts';
import { closeReader, openReader, readDetail, readSteps } from '../../plugin/recorder/read.ts';
import { readWarningRows } from '../../plugin/recorder/recordedWarnings.ts';
import { closeRecording, commitReports, openRecording } from '../../plugin/recorder/write.ts';
import type { StepReport } from '../../src/telemetry/report.ts';
import { testHeader, testReport } from './samples.ts';

const header = testHeader('hc');

/** Of the steps from one number to another. */
export const reports = (from: number, to: number): StepReport[] =>
  Array.from({ length: to - from + 1 }, (_, i) => testReport(header, from + i));

/** Records run hc, one commit for each batch. @returns the file */
export function record(folder: string, batches: StepReport[][]): string {
  const recording = openRecording(folder, header, 1000);
  for (const batch of batches) commitReports(recording, batch);
  closeRecording(recording, 'completed', 2000);
  return recording.path;
}

/** Matrices of a sample of run hc, one value of the first connection not finite. */
export const brokenMappings = () => Float32Array.from({ length: 3 * 4 * 4 }, (_, k) => (k === 5 ? Number.NaN : 0.5));

/** A reader that is closed at the end of the test. */
export function readerOf(path: string): ReturnType<typeof openReader> {
  const reader = openReader(path);
  onTestFinished(() => closeReader(reader));
  return reader;
}

/** What was recorded of a run by now; the warnings in the order in which they were raised. @throws where nothing was */
export function recorded(runs: string, run = 'test') {
  const reader = readerOf(recordingPath(runs, run));
  return { steps: [...readSteps(reader)], detail: readDetail(reader), warnings: [...readWarningRows(reader.db).keys()] };
}

/** Large arrays as they were kept before version 6: none deflated. */
export function unpackRows(db: Database.Database): void {
  const columns = { steps: ['measures', 'mapping'], buckets: ['measures_min', 'measures_max'] };
  for (const [table, names] of Object.entries(columns)) {
    for (const row of db.prepare(`SELECT rowid, * FROM ${table} WHERE packed = 1`).all() as Record<string, unknown>[]) {
      const values = names.map((name) => inflateRawSync(row[name] as ArrayBuffer));
      db.prepare(`UPDATE ${table} SET packed = 0, ${names.map((name) => `${name} = ?`).join(', ')} WHERE rowid = ?`).run(
        ...values,
        row['rowid'],
      );
    }
  }
}

/** The same of a file that nobody has open. */
export function unpackFile(path: string): void {
  const db = new Database(path);
  unpackRows(db);
  db.close();
}

/** Runs SQL on the file of a recording. @returns the version of its schema afterwards */
export function changeRecording(path: string, sql = ''): number {
  const db = new Database(path);
  db.exec(sql);
  const { user_version: version } = db.prepare('PRAGMA user_version').get() as { user_version: number };
  db.close();
  return version;
}
