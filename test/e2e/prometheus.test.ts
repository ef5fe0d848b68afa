/** A real Prometheus scrapes a real training and holds what the recorder holds. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import type { StepAnswer } from '../../src/telemetry/api.ts';
import { startCommand } from '../support/demo.ts';
import { temporaryFolder } from '../support/folders.ts';
import { findPrometheus, findPromtool } from '../support/programs.ts';

const RULES = fileURLToPath(new URL('../../alerts/prometheus/gainwatch.rules.yml', import.meta.url));
const prometheus = findPrometheus();
const promtool = findPromtool();

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

test.skipIf(promtool === null)('promtool accepts the rules', () => {
  const { status, stdout, stderr } = spawnSync(promtool!, ['check', 'rules', RULES], { encoding: 'utf8' });
  expect(status, stdout + stderr).toBe(0);
});

test.skipIf(prometheus === null)(
  'Prometheus scrapes the demo, and a query returns the gain that the recorder holds',
  async () => {
    const folder = temporaryFolder();
    const demo = await startCommand([
      'demo',
      '--steps',
      '25',
      '--depth',
      '2',
      '--width',
      '16',
      '--port',
      '0',
      '--runs',
      join(folder, 'runs'),
    ]);
    onTestFinished(() => void demo.stop());
    const config = join(folder, 'prometheus.yml');
    const port = await freePort();
    writeFileSync(
      config,
      `global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [${RULES}]
scrape_configs: [{job_name: gainwatch, static_configs: [{targets: ['${new URL(demo.url).host}']}]}]
`,
    );
    const server: ChildProcess = spawn(
      prometheus!,
      [
        `--config.file=${config}`,
        `--storage.tsdb.path=${join(folder, 'tsdb')}`,
        `--web.listen-address=127.0.0.1:${port}`,
        '--log.level=error',
      ],
      { stdio: 'ignore' },
    );
    onTestFinished(() => new Promise<void>((resolve) => server.once('close', () => resolve()).kill()));
    const ask = async <T>(path: string): Promise<T> =>
      ((await (await fetch(`http://127.0.0.1:${port}/api/v1/${path}`)).json()) as { data: T }).data;
    const value = async (query: string): Promise<number | undefined> => {
      const { result } = await ask<{ result: { value: [number, string] }[] }>(`query?query=${encodeURIComponent(query)}`);
      return result[0] === undefined ? undefined : Number(result[0].value[1]);
    };

    await expect.poll(demo.stderr, { timeout: 60_000 }).toContain('Still serving');
    for (const run of ['hc', 'mhc', 'residual']) {
      const latest = (await (await fetch(`${demo.url}api/v1/runs/${run}/steps/latest`)).json()) as StepAnswer;
      await expect.poll(() => value(`mhc_training_steps_total{run="${run}"}`).catch(() => undefined), { timeout: 20_000 }).toBe(25);
      expect(await value(`mhc_composite_gain_ratio{run="${run}"}`)).toBe(latest.compositeGain);
      expect(await value(`max(mhc_composite_forward_gain_ratio{run="${run}"})`)).toBe(
        Math.max(...(latest.measures['compositeForwardGain'] as number[])),
      );
      expect(await value(`mhc_training_loss{run="${run}"}`)).toBe(latest.loss);
    }
    if (promtool !== null) {
      const input = await (await fetch(`${demo.url}metrics`)).text();
      const { status, stdout, stderr } = spawnSync(promtool, ['check', 'metrics'], { input, encoding: 'utf8' });
      expect([status, stdout, stderr]).toEqual([0, '', '']);
    }
    expect(await value('count(mhc_layer_memory_bytes{run="hc",kind="activations"})')).toBe(4);
    expect(await value('up')).toBe(1);
    const { groups } = await ask<{ groups: { rules: { name: string; health: string }[] }[] }>('rules');
    expect(groups[0].rules.map((r) => r.name)).toEqual([
      'MhcCompositeGainHigh',
      'MhcNonfiniteValues',
      'MhcColumnDeviationHigh',
      'MhcTrainingStalled',
    ]);
    await expect
      .poll(async () =>
        (await ask<typeof groups extends never ? never : { groups: { rules: { health: string }[] }[] }>('rules')).groups[0].rules.map(
          (r) => r.health,
        ),
      )
      .toEqual(['ok', 'ok', 'ok', 'ok']);
  },
  120_000,
);
