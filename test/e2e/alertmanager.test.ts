/**
 * From the training to the pager: a real HC training, the real Prometheus with the shipped rules, the real Alertmanager,
 * and a webhook that must get word of the blow-up before it comes, with the connection in it.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { Notice } from '../../plugin/notify/target.ts';
import type { RunDetail, SeriesAnswer, WarningAnswer } from '../../src/telemetry/api.ts';
import { fromWire } from '../../src/telemetry/wire.ts';
import { startForTest } from '../support/commandLine.ts';
import { temporaryFolder } from '../support/folders.ts';
import { findAlertmanager, findPrometheus } from '../support/programs.ts';
import { startAlertmanager, startPrometheus } from '../support/prometheusServers.ts';
import { listenLocally } from '../support/servers.ts';

const prometheus = findPrometheus();
const alertmanager = findAlertmanager();

interface Alert {
  status: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
}

/** Keeps every alert that Alertmanager posts, and when; and every notice that gainwatch posts itself, to /direct. */
async function startReceiver() {
  const alerts: (Alert & { at: number })[] = [];
  const notices: Notice[] = [];
  const port = await listenLocally(async (request, response) => {
    const at = Date.now();
    if (request.url === '/direct') notices.push((await json(request)) as Notice);
    else alerts.push(...((await json(request)) as { alerts: Alert[] }).alerts.map((alert) => ({ ...alert, at })));
    response.end();
  });
  return { url: `http://127.0.0.1:${port}/`, alerts, notices };
}

test.skipIf(prometheus === null || alertmanager === null)(
  'the webhook gets the forecast before the gain reaches 1000, with the connection that the detector named',
  async () => {
    const folder = temporaryFolder();
    const receiver = await startReceiver();
    const demo = await startForTest(['demo', '--long', '--port', '0', '--runs', join(folder, 'runs'), '--notify', `${receiver.url}direct`]);
    const server = await startPrometheus(prometheus!, folder, demo.url, await startAlertmanager(alertmanager!, folder, receiver.url));

    const isForecast = ({ labels }: Alert) => labels['alertname'] === 'MhcGainForecast' && labels['run'] === 'hc';
    const forecast = () => receiver.alerts.find((alert) => isForecast(alert) && alert.labels['severity'] === 'critical');
    await expect.poll(forecast, { timeout: 400_000, interval: 500 }).toBeDefined();
    const { labels, annotations, at } = forecast()!;

    const ask = async <T>(path: string) => (await (await fetch(`${demo.url}api/v1/runs/hc${path}`)).json()) as T;
    const warnings = await ask<WarningAnswer[]>('/warnings');
    const of1000 = warnings.filter(({ rule, threshold }) => rule === 'gain-forecast' && threshold === 1000);
    const warning = of1000.find(({ severity }) => severity === 'critical')!;
    expect(labels['layer']).toBe(warning.connection);
    expect((await ask<RunDetail>('')).connections.map(({ name }) => name)).toContain(labels['layer']);
    expect(annotations['summary']).toContain(labels['layer']);
    expect(annotations['runbook_url']).toBe('runbook.md#gain-forecast');

    expect(receiver.notices).toContainEqual({
      version: 1,
      status: 'raised',
      warning: { ...warning, active: true, clearedStep: null, clearedTime: null },
    });

    // While the training goes on: every query of the dashboard has data.
    const { panels } = JSON.parse(readFileSync(fileURLToPath(new URL('../../alerts/grafana/gainwatch.json', import.meta.url)), 'utf8')) as {
      panels: { title: string; targets: { expr: string }[] }[];
    };
    for (const { title, targets } of panels) {
      for (const { expr } of targets) {
        await expect
          .poll(async () => (await server.values(expr.replaceAll('$run', '.*'))).length, { timeout: 90_000, message: `${title}: ${expr}` })
          .toBeGreaterThan(0);
      }
    }

    await expect.poll(demo.stderr, { timeout: 400_000, interval: 1000 }).toContain('Still serving');
    const { steps, times, series } = await ask<SeriesAnswer>('/series?measure=compositeGain&points=10000');
    const passed = steps.findIndex((_, i) => fromWire(series[0].max[i] ?? 0) >= 1000);
    expect(passed).toBeGreaterThan(0);
    expect(at).toBeLessThan(times[passed]);
    expect(of1000[0].step).toBeLessThan(steps[passed] - 50);
    expect(demo.stdout()).toMatch(/first warning\s*│\s*step \d+: gain-forecast/);
    const { groups } = await server.ask<{ groups: { rules: { name: string; health: string }[] }[] }>('rules');
    for (const { name, health } of groups.flatMap(({ rules }) => rules)) expect(health, name).toBe('ok');
    // Beside it the residual model raises no alarm, and mHC none of a blow-up: at most that its gain, here 1.5, may reach 2, and that its
    // streams, whose separation falls to 0.23 on the demo's text, may become one.
    expect(receiver.alerts.filter((alert) => alert.labels['run'] === 'residual')).toEqual([]);
    expect(receiver.alerts.filter(({ labels: { run, rule } }) => run === 'mhc' && !['gain-forecast', 'collapse'].includes(rule))).toEqual(
      [],
    );
    const ofMhc = (await (await fetch(`${demo.url}api/v1/runs/mhc/warnings`)).json()) as WarningAnswer[];
    expect(ofMhc.filter(({ threshold }) => (threshold ?? 0) > 2)).toEqual([]);
  },
  900_000,
);
