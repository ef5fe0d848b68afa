/** A real Prometheus scrapes a real training and holds what the recorder holds. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ALERTS, RECORDINGS } from '../../alerts/rules/table.ts';
import type { StepAnswer } from '../../src/telemetry/api.ts';
import { startForTest } from '../support/commandLine.ts';
import { temporaryFolder } from '../support/folders.ts';
import { findPrometheus } from '../support/programs.ts';
import { startPrometheus } from '../support/prometheusServers.ts';
import { json } from '../support/service.ts';

const prometheus = findPrometheus();

test.skipIf(prometheus === null)(
  'Prometheus scrapes the demo, and a query returns the gain that the recorder holds',
  async () => {
    const folder = temporaryFolder();
    const size = ['--steps', '25', '--depth', '2', '--width', '16'];
    const demo = await startForTest(['demo', ...size, '--port', '0', '--runs', join(folder, 'runs')]);
    const { ask, values } = await startPrometheus(prometheus!, folder, demo.url);
    const value = async (query: string): Promise<number | undefined> => (await values(query))[0];

    await expect.poll(demo.stderr, { timeout: 200_000 }).toContain('Still serving');
    for (const run of ['hc', 'mhc', 'residual']) {
      const latest = await json<StepAnswer>(demo, `api/v1/runs/${run}/steps/latest`);
      await expect.poll(() => value(`mhc_training_steps_total{run="${run}"}`).catch(() => undefined)).toBe(25);
      expect(await value(`mhc_composite_gain_ratio{run="${run}"}`)).toBe(latest.compositeGain);
      expect(await value(`max(mhc_composite_forward_gain_ratio{run="${run}"})`)).toBe(
        Math.max(...(latest.measures['compositeForwardGain'] as number[])),
      );
      expect(await value(`mhc_training_loss{run="${run}"}`)).toBe(latest.loss);
    }
    expect(await value('count(mhc_layer_memory_bytes{run="hc",kind="activations"})')).toBe(4);
    expect(await value('up')).toBe(1);
    type Rules = { groups: { rules: { name: string; health: string }[] }[] };
    const health = async () => (await ask<Rules>('rules')).groups.flatMap(({ rules }) => rules.map((rule) => rule.health));
    await expect.poll(async () => new Set(await health())).toEqual(new Set(['ok']));
    expect(await health()).toHaveLength(ALERTS.length + RECORDINGS.length);
  },
  300_000, // seconds, however busy the machine is
);
