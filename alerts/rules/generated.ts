/** What is generated from the table, by the path of its file (write.mjs writes it, a test compares). */
import { alertmanagerExample } from './alertmanager.ts';
import { grafanaDashboard } from './grafana.ts';
import { prometheusRules } from './prometheus.ts';
import { runbook } from './runbook.ts';

export const GENERATED: Record<string, () => string> = {
  'alerts/prometheus/gainwatch.rules.yml': prometheusRules,
  'alerts/alertmanager.example.yml': alertmanagerExample,
  'alerts/grafana/gainwatch.json': grafanaDashboard,
  'alerts/runbook.md': runbook,
};
