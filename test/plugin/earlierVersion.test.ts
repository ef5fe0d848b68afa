/** A recording that an earlier version of gainwatch made (test/fixtures/version4): it is shown, replayed and resumed as it was then. */
import { createHash } from 'node:crypto';
import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { closeRun, handleReport, openRun } from '../../dist/plugin/pipeline/pipeline.js';
import { SCHEMA_VERSION } from '../../plugin/recorder/migrations.ts';
import { readLatest } from '../../plugin/recorder/read.ts';
import type { RunDetail, StepAnswer, WarningAnswer } from '../../src/telemetry/api.ts';
import { runCommand, startForTest } from '../support/commandLine.ts';
import { temporaryFolder } from '../support/folders.ts';
import { changeRecording, readerOf } from '../support/recorded.ts';
import { json, start } from '../support/service.ts';
import { upload } from '../support/uploads.ts';

const fixture = (file: string) => fileURLToPath(new URL(`../fixtures/version4/${file}`, import.meta.url));

function copied() {
  const directory = temporaryFolder();
  const path = join(directory, 'version4.sqlite');
  copyFileSync(fixture('version4.sqlite'), path);
  return { directory, path };
}

/**
 * What the version before answered, and what a later one adds: the limits of a run, what bounds its connections, and that no cause is
 * known.
 */
const { export: exported, ...answers } = JSON.parse(readFileSync(fixture('answers.json'), 'utf8')) as Record<string, unknown>;
const LIMITS = { limits: { gain: [100, 1000], separation: 0.05, deviation: 0.5, sum: 0.2 } };
function addedTo(path: string, answer: unknown): unknown {
  if (path === 'runs/version4') {
    const detail = answer as RunDetail;
    return { ...detail, ...LIMITS, selfTest: null, connections: detail.connections.map((one) => ({ ...one, bounded: null })) };
  }
  return path.endsWith('warnings') ? (answer as WarningAnswer[]).map((warning) => ({ ...warning, cause: null })) : answer;
}

test('it is listed and shown as it was, and stays as it is', async () => {
  const { directory, path } = copied();
  const service = await start({ directory });
  for (const [path, answer] of Object.entries(answers)) expect(await json(service, `api/v1/${path}`), path).toEqual(addedTo(path, answer));
  const { stdout } = await runCommand(['export', path]);
  expect(createHash('sha256').update(stdout).digest('hex')).toBe(exported);
  expect(changeRecording(path)).toBe(4);
});

test('uploaded, it is one that can be read', async () => {
  const service = await start();
  expect(await upload(service, readFileSync(fixture('version4.sqlite')))).toEqual({ status: 201, body: { run: 'version4' } });
});

test('its replay has the metrics that it had', { timeout: 60_000 }, async () => {
  const { path } = copied();
  const replay = await startForTest(['replay', path, '--speed', '1000000', '--port', '0']);
  await expect.poll(replay.stderr, { timeout: 50_000 }).toContain('Replayed.');
  const text = await (await fetch(`${replay.url}metrics`)).text();
  // Of the training: what is said of a metric, and of the monitor itself, may be another.
  const series = (all: string) =>
    all
      .replaceAll('bounded="",', '')
      .split('\n')
      .filter((line) => !/^$|^#|^mhc_monitor_|^mhc_build_info|timestamp_seconds\{/.test(line));
  expect(series(text).sort()).toEqual(series(readFileSync(fixture('metrics.txt'), 'utf8')).sort());
});

test('gone on in, it is brought up: the same attempt, its warnings as they were', async () => {
  const { directory, path } = copied();
  const { header, report } = readLatest(readerOf(path))!;
  const service = await start({ directory });
  const run = openRun(service.pipeline, header, { source: 'sender-1', key: null, fresh: false });
  expect(changeRecording(path)).toBe(SCHEMA_VERSION);
  expect(run.attempt).toBe(1);
  await handleReport(service.pipeline, run, { ...report, step: 61, loss: Number.NaN });
  closeRun(service.pipeline, run, 'completed');
  const latest = await json<StepAnswer>(service, 'api/v1/runs/version4/steps/latest');
  expect(latest).toMatchObject({ attempt: 1, step: 61, loss: 'NaN' });
  const warnings = await json<WarningAnswer[]>(service, 'api/v1/runs/version4/warnings');
  const before = answers['runs/version4/warnings'] as WarningAnswer[];
  expect(warnings.slice(0, before.length).map(({ id, message, cause }) => [id, message, cause])).toEqual(
    before.map(({ id, message }) => [id, message, null]),
  );
  const added = warnings.slice(before.length).find(({ rule }) => rule === 'nonfinite');
  expect(added?.cause).toEqual({ kind: 'nonfinite-scalar', connection: null, figures: {} });
});
