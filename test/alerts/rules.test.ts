/** The generated rules, dashboard and runbook: as committed, consistent, and accepted by Prometheus's and Alertmanager's own tools. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { GENERATED } from '../../alerts/rules/generated.ts';
import { PANELS } from '../../alerts/rules/grafana.ts';
import { MONITOR_ALERTS } from '../../alerts/rules/monitor.ts';
import { ALERTS, RECORDINGS, runbookOf } from '../../alerts/rules/table.ts';
import { createMetrics } from '../../plugin/metrics/metrics.ts';
import { RULES, SEVERITIES } from '../../src/telemetry/warning.ts';
import { findAmtool, findPromtool } from '../support/programs.ts';

const pathOf = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const promtool = findPromtool();
const amtool = findAmtool();

function check(program: string, args: string[]): void {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  expect(status, stdout + stderr).toBe(0);
}

test.each(Object.entries(GENERATED))('%s is what `npm run rules` writes', (path, generate) => {
  expect(readFileSync(pathOf(path), 'utf8')).toBe(generate());
});

describe('the table', () => {
  test('has an alert for every detector, and a known severity', () => {
    expect(new Set(ALERTS.flatMap(({ rule }) => rule ?? []))).toEqual(new Set(RULES));
    for (const { alert, severity, expr, keepFiringFor } of ALERTS) {
      // A scrape that fails ends the series: without this it would end the alert, and raise it again.
      if (severity === null) expect(keepFiringFor, alert).not.toBeNull();
      if (severity === null) expect(expr).toMatch(/^mhc_warning_active\{rule="[a-z-]+"\}$/);
      else expect(SEVERITIES).toContain(severity);
    }
  });

  test('never leaves a gain to itself: NaN is above nothing', () => {
    const names = ALERTS.map(({ alert }) => alert);
    for (const { alert, expr, pairedWith } of ALERTS) {
      if (/gain|deviation|separation/.test(expr) && alert !== 'MhcNonfiniteValues') expect(pairedWith, alert).toBe('MhcNonfiniteValues');
      if (pairedWith !== null) expect(names).toContain(pairedWith);
    }
  });

  test('leads to an entry of the runbook', () => {
    const anchors = [...GENERATED['alerts/runbook.md']().matchAll(/^## (.+)$/gm)].map(([, title]) => title.toLowerCase());
    for (const rule of ALERTS) expect(anchors).toContain(runbookOf(rule).replace('runbook.md#', ''));
    expect(new Set(anchors)).toEqual(new Set([...RULES, ...MONITOR_ALERTS.map(({ alert }) => alert.toLowerCase())]));
  });

  test('asks for no metric that is not exported, and never for predict_linear', async () => {
    const { body } = await createMetrics('1.2.3').scrape(undefined);
    const exported = new Set([...body.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name));
    for (const { record } of RECORDINGS) exported.add(record);
    const queries = [...ALERTS, ...RECORDINGS]
      .map(({ expr }) => expr)
      .concat(PANELS.flatMap((panel) => panel.queries.map(([expr]) => expr)));
    for (const query of queries) {
      expect(query).not.toContain('predict_linear');
      for (const [name] of query.replaceAll(/"[^"]*"/g, '').matchAll(/\b(?:run:)?mhc_\w+(?::\w+)?/g))
        expect(exported, query).toContain(name);
    }
  });
});

test.skipIf(promtool === null)('promtool accepts the rules, and its unit tests pass', () => {
  check(promtool!, ['check', 'rules', pathOf('alerts/prometheus/gainwatch.rules.yml')]);
  check(promtool!, ['test', 'rules', pathOf('test/alerts/gainwatch.test.yml')]);
});

test.skipIf(amtool === null)('amtool accepts the example', () => {
  check(amtool!, ['check-config', pathOf('alerts/alertmanager.example.yml')]);
});
