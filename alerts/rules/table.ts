/**
 * The one table of Prometheus rules, put together from the entries of all rules and those on gainwatch itself: everything that Prometheus,
 * Alertmanager, Grafana and the runbook say of them is generated from here (write.mjs). Nothing is generated here.
 */
import type { RuleName, Severity } from '../../src/telemetry/warning.ts';
import { ENTRIES } from '../detectors/list.ts';
import type { Alert } from '../words.ts';
import { MONITOR_ALERTS } from './monitor.ts';

/** An alert with nothing left out. */
export interface AlertRule extends Required<Omit<Alert, 'severity' | 'for'>> {
  /** null: the series has a label `severity`. */
  severity: Severity | null;
  for?: string;
  /** The rule behind it, whose entry in the runbook it has; null: an entry of its own. */
  rule: RuleName | null;
  /** The alert that speaks where its threshold is blind, as NaN is above nothing; null: it needs none. */
  pairedWith: string | null;
}

function ofRule(rule: RuleName): AlertRule[] {
  const { thresholds = [], pairedWith = null, ...own } = ENTRIES[rule];
  const defaults = { expr: `mhc_warning_active{rule="${rule}"}`, severity: null, keepFiringFor: '2m' };
  return [own, ...thresholds].map((alert) => ({ ...defaults, ...alert, rule, pairedWith }));
}

export const ALERTS: readonly AlertRule[] = [
  ...(Object.keys(ENTRIES) as RuleName[]).flatMap(ofRule),
  ...MONITOR_ALERTS.map((alert) => ({ keepFiringFor: '2m', ...alert, rule: null, pairedWith: null })),
];

/** What dashboards ask again and again. */
export const RECORDINGS: readonly { record: string; expr: string }[] = [
  { record: 'run:mhc_training_steps:rate1m', expr: 'sum by (run) (rate(mhc_training_steps_total[1m]))' },
  { record: 'run:mhc_composite_separation_ratio:min', expr: 'min by (run) (mhc_composite_separation_ratio)' },
];

/** Where the runbook's entry of an alert is, beside the rules. */
export const runbookOf = ({ alert, rule }: AlertRule): string => `runbook.md#${rule ?? alert.toLowerCase()}`;
