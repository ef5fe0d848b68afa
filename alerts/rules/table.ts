/**
 * The one table of Prometheus rules: everything that Prometheus, Alertmanager, Grafana and the runbook say of them is
 * generated from here (write.mjs). Nothing is generated here.
 */
import type { RuleName, Severity } from '../../src/telemetry/warning.ts';

export interface AlertRule {
  alert: string;
  /** PromQL. `predict_linear` is not used: it draws a line through gains that grow exponentially, over time instead of steps. */
  expr: string;
  /** null: the series has a label `severity`. */
  severity: Severity | null;
  /** None unless given: where a detector speaks, the hysteresis is its own. */
  for?: string;
  /** Against flapping: a failed scrape ends every series, and a bare threshold has no hysteresis. */
  keepFiringFor?: string;
  /** Prometheus templates. */
  summary: string;
  description: string;
  /** The detector behind it, whose entry in the runbook it has; null: an entry of its own. */
  rule: RuleName | null;
  /** NaN is above nothing: the alert that speaks then. */
  pairedWith?: string;
}

const RUN = 'run {{ $labels.run }}';
const LAYER = '{{ $labels.layer }}';
const active = (rule: RuleName) => `mhc_warning_active{rule="${rule}"}`;

const STEPS_LEFT =
  'Steps left:{{ range printf `mhc_gain_forecast_steps{run="%s"}` $labels.run | query }} {{ .Value | humanize }} to {{ .Labels.threshold }};{{ end }} {{ $labels.layer }} grows most.';

export const ALERTS: readonly AlertRule[] = [
  {
    alert: 'MhcGainForecast',
    expr: active('gain-forecast'),
    severity: null,
    keepFiringFor: '2m',
    summary: `The composite gain of ${RUN} {{ if eq $labels.severity "critical" }}is forecast to{{ else }}may{{ end }} blow up, driven by ${LAYER}.`,
    description: STEPS_LEFT,
    rule: 'gain-forecast',
    pairedWith: 'MhcNonfiniteValues',
  },
  {
    alert: 'MhcCompositeGainHigh',
    expr: 'mhc_composite_gain_ratio >= 1000',
    severity: 'critical',
    keepFiringFor: '2m',
    summary: `Signals of ${RUN} are amplified {{ $value | humanize }} times over the depth.`,
    description: 'The composite gain is at or above 1000: gradients overflow soon.',
    rule: 'gain-forecast',
    pairedWith: 'MhcNonfiniteValues',
  },
  {
    alert: 'MhcCompositeGainHigh',
    expr: 'mhc_composite_gain_ratio >= 100 < 1000',
    severity: 'warning',
    keepFiringFor: '2m',
    summary: `Signals of ${RUN} are amplified {{ $value | humanize }} times over the depth.`,
    description: 'The composite gain is at or above 100.',
    rule: 'gain-forecast',
    pairedWith: 'MhcNonfiniteValues',
  },
  {
    alert: 'MhcRunawayConnection',
    expr: active('runaway-connection'),
    severity: null,
    keepFiringFor: '2m',
    summary: `${LAYER} of ${RUN} runs away from the other connections.`,
    description: 'Its gain, or the range of its logits, grows while that of its peers does not.',
    rule: 'runaway-connection',
    pairedWith: 'MhcNonfiniteValues',
  },
  {
    alert: 'MhcNonfiniteValues',
    // The first scrape may find a counter above 0 already: no increase then, but no value five minutes ago either.
    expr: `max by (run, layer) (
  increase(mhc_nonfinite_values_total[5m]) > 0
  or (mhc_nonfinite_values_total > 0 unless mhc_nonfinite_values_total offset 5m)
  or ${active('nonfinite')}
  or (mhc_composite_gain_ratio != mhc_composite_gain_ratio)
  or (mhc_composite_gain_ratio == Inf)
  or (mhc_training_loss != mhc_training_loss)
)`,
    severity: 'critical',
    keepFiringFor: '5m',
    summary: 'Run {{ $labels.run }} holds NaN or infinite values{{ with $labels.layer }} in {{ . }}{{ end }}.',
    description: 'The matrices, the loss or the gain are not finite. Every threshold is blind to NaN.',
    rule: 'nonfinite',
  },
  {
    alert: 'MhcCollapse',
    expr: active('collapse'),
    severity: null,
    keepFiringFor: '2m',
    summary: `The streams of ${RUN} collapse into one, driven by ${LAYER}.`,
    description: 'The separation of the composite is forecast to fall below 0.05, or a row or column has lost its mass.',
    rule: 'collapse',
    pairedWith: 'MhcNonfiniteValues',
  },
  {
    alert: 'MhcDeviationDrift',
    expr: active('deviation-drift'),
    severity: null,
    keepFiringFor: '2m',
    summary: `${LAYER} of ${RUN} drifts off the doubly stochastic matrices.`,
    description: 'Its deviation has left its own past and its peers: Sinkhorn no longer converges there.',
    rule: 'deviation-drift',
    pairedWith: 'MhcNonfiniteValues',
  },
  {
    alert: 'MhcDeviationHigh',
    // The direction that Sinkhorn normalises last is exact: the other one speaks.
    expr: `max by (run, layer) (
  mhc_layer_column_deviation_ratio * on (run, layer) group_left () mhc_layer_info{kind="mhc", convention="paper"}
  or mhc_layer_row_deviation_ratio * on (run, layer) group_left () mhc_layer_info{kind="mhc", convention="deepseek"}
) > 0.5`,
    severity: 'warning',
    for: '1m',
    keepFiringFor: '2m',
    summary: `Sinkhorn does not converge in ${LAYER} of ${RUN}.`,
    description: 'A row or column sum is off by {{ printf "%.2f" $value }}.',
    rule: 'deviation-drift',
    pairedWith: 'MhcNonfiniteValues',
  },
  {
    alert: 'MhcDeadRouting',
    expr: active('dead-routing'),
    severity: null,
    keepFiringFor: '2m',
    summary: `${LAYER} of ${RUN} routes hard and does not learn any more.`,
    description: 'Its entropy and the gradient of its logits have been below 1 % for 200 steps.',
    rule: 'dead-routing',
  },
  {
    alert: 'MhcTrainingStalled',
    expr: `max by (run) (
  (${active('stalled')} or time() - mhc_training_last_step_timestamp_seconds > 900)
  unless on (run) mhc_run_outcome
)`,
    severity: 'warning',
    keepFiringFor: '2m',
    summary: 'Run {{ $labels.run }} makes no step any more.',
    description: 'No step for much longer than usual, or for 15 minutes, and the run has not ended.',
    rule: 'stalled',
  },
  {
    alert: 'MhcLossSpike',
    expr: active('loss-spike'),
    severity: null,
    keepFiringFor: '2m',
    summary: `The loss of ${RUN} has jumped.`,
    description: 'Context for other alerts: a bad batch, or the first sign of what they tell.',
    rule: 'loss-spike',
  },
  {
    alert: 'MhcGradientSpike',
    expr: active('gradient-spike'),
    severity: null,
    keepFiringFor: '2m',
    summary: `The gradient norm of ${RUN} has jumped.`,
    description: 'Context for other alerts: a bad batch, or the first sign of what they tell.',
    rule: 'gradient-spike',
  },
  {
    alert: 'MhcSamplesDropped',
    expr: 'increase(mhc_monitor_samples_dropped_total[5m]) > 0',
    severity: 'info',
    keepFiringFor: '5m',
    summary: `gainwatch lost {{ $value | humanize }} steps of ${RUN}.`,
    description: 'The monitor does not keep up with the training, or its disk refuses: the picture has gaps.',
    rule: null,
  },
  {
    alert: 'MhcMonitorErrors',
    expr: 'increase(mhc_monitor_errors_total[5m]) > 0',
    severity: 'warning',
    keepFiringFor: '5m',
    summary: `gainwatch itself fails on ${RUN}.`,
    description: '{{ $value | humanize }} faults in five minutes; the log of the training says which. The training is not touched.',
    rule: null,
  },
  {
    alert: 'MhcMonitorGone',
    expr: 'up == 0 and on (job, instance) last_over_time(mhc_build_info[10m])',
    severity: 'info',
    summary: 'gainwatch at {{ $labels.instance }} does not answer any more.',
    description: 'It answered within the last ten minutes. A training that has ended looks the same.',
    rule: null,
  },
];

export interface RecordingRule {
  record: string;
  expr: string;
}

/** What dashboards ask again and again. */
export const RECORDINGS: readonly RecordingRule[] = [
  { record: 'run:mhc_training_steps:rate1m', expr: 'sum by (run) (rate(mhc_training_steps_total[1m]))' },
  { record: 'run:mhc_composite_separation_ratio:min', expr: 'min by (run) (mhc_composite_separation_ratio)' },
];

/** Where the runbook's entry of an alert is, beside the rules. */
export const runbookOf = ({ alert, rule }: AlertRule): string => `runbook.md#${rule ?? alert.toLowerCase()}`;
