/** Recordings made elsewhere, as the bytes of a file, and their way into a service. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Service } from '../../dist/plugin/service.js';
import { SCHEMA_VERSION } from '../../plugin/recorder/migrations.ts';
import { closeRecording, commitReports, openRecording } from '../../plugin/recorder/write.ts';
import { temporaryFolder } from './folders.ts';
import { changeRecording } from './recorded.ts';
import { testHeader, testReport, testWarning } from './samples.ts';
import { ask } from './service.ts';

const header = testHeader('hc');

/** What takes a recording back by a version, today's first. */
const STEPS_BACK = [
  `ALTER TABLE attempts DROP COLUMN slots; ALTER TABLE attempts DROP COLUMN self_test; ALTER TABLE buckets DROP COLUMN layers;`,
  `ALTER TABLE attempts DROP COLUMN key; ALTER TABLE steps DROP COLUMN ranks;
   ALTER TABLE steps DROP COLUMN packed; ALTER TABLE buckets DROP COLUMN packed;`,
  'ALTER TABLE warnings DROP COLUMN cause;',
  'ALTER TABLE attempts DROP COLUMN source;',
  'ALTER TABLE warnings DROP COLUMN acknowledged_time;',
  'DROP TABLE warnings; DROP TABLE detectors;',
];

/** SQL that makes a recording of an earlier version out of one of today's. */
export const asVersion = (version: number): string =>
  `${STEPS_BACK.slice(0, SCHEMA_VERSION - version).join('')} PRAGMA user_version = ${version};`;

/**
 * A recording made elsewhere, with one warning, changed by `sql`, as the bytes of its file.
 * @param sparse only one measure is known, so that its rows are packed
 */
export function recording({ run = 'hc', steps = 20, sql = '', sparse = false } = {}): Buffer {
  const named = { ...header, run: 'made' };
  const opened = openRecording(temporaryFolder(), named, 1000);
  const reports = Array.from({ length: steps }, (_, i) => testReport(named, i + 1, i === 10 ? { loss: Number.NaN } : {}));
  for (const { measures, mapping } of sparse ? reports : []) {
    measures.fill(Number.NaN, header.connections.length);
    mapping.fill(Number.NaN);
  }
  const scalar = { connection: null, suspects: [], measure: 'loss', value: Number.NaN, threshold: 0, stepsLeft: null, interval: null };
  const cause = { kind: 'nonfinite-scalar', connection: null, figures: {} } as const;
  const record = testWarning({ ...scalar, run: 'made', rule: 'nonfinite', step: 11, cause, runbook: 'runbook.md#nonfinite' });
  commitReports(opened, reports, { changed: [record], state: null });
  closeRecording(opened, 'completed', 2000);
  changeRecording(opened.path, `UPDATE attempts SET run = '${run.replaceAll("'", "''")}'; ${sql}; PRAGMA wal_checkpoint(TRUNCATE)`);
  return readFileSync(opened.path);
}

export async function upload(service: Pick<Service, 'port'>, body: Uint8Array, headers: Record<string, string> = {}) {
  const answer = await ask(service, '/api/v1/recordings', headers, 'POST', body);
  return { status: answer.status, body: JSON.parse(answer.body) as { run?: string; error?: Record<string, unknown> } };
}

export const uploadsOf = (service: Service) => join(service.pipeline.directory, 'uploads');
