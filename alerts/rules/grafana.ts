/** A Grafana dashboard over the metrics, to import: one row of panels per question. */
import { MAX_GAIN } from '../limits.ts';

interface Panel {
  title: string;
  description: string;
  /** none unless given. */
  unit?: string;
  /** PromQL and how its series are called. */
  queries: [expr: string, legend: string][];
  log?: boolean;
}

const R = '{run=~"$run"}';
/** The first panels, so many, are half as wide as the dashboard; the others a third. */
const WIDE_PANELS = 6;

export const PANELS: readonly Panel[] = [
  {
    title: 'Composite gain G',
    description: `Largest amplification over the depth, forward or backward. HC: look from ${MAX_GAIN} on. mHC: at most n.`,
    log: true,
    queries: [[`mhc_composite_gain_ratio${R}`, '{{run}}']],
  },
  {
    title: 'Steps until G reaches a limit',
    description: 'The forecast of the detectors; no line: it is not rising.',
    log: true,
    queries: [[`mhc_gain_forecast_steps${R}`, '{{run}} to {{threshold}}']],
  },
  {
    title: 'Warnings that hold',
    description: 'By rule, severity and connection.',
    queries: [[`mhc_warning_active${R}`, '{{run}} {{rule}} {{severity}} {{layer}}']],
  },
  {
    title: 'Warnings raised',
    description: 'Since the run was opened.',
    queries: [[`sum by (run, rule) (mhc_warnings_total${R})`, '{{run}} {{rule}}']],
  },
  {
    title: 'Gain of each connection, forward',
    description: 'max_i |sum_j H_ij| of one H_res.',
    log: true,
    queries: [[`mhc_layer_forward_gain_ratio${R}`, '{{run}} {{layer}}']],
  },
  {
    title: 'Gain of each connection, backward',
    description: 'max_j |sum_i H_ij| of one H_res.',
    log: true,
    queries: [[`mhc_layer_backward_gain_ratio${R}`, '{{run}} {{layer}}']],
  },
  {
    title: 'Largest deviation of a row or column sum',
    description: 'How far H_res is from doubly stochastic.',
    log: true,
    queries: [
      [`max by (run) (mhc_layer_row_deviation_ratio${R})`, '{{run}} rows'],
      [`max by (run) (mhc_layer_column_deviation_ratio${R})`, '{{run}} columns'],
    ],
  },
  {
    title: 'Separation of the streams',
    description: '1: kept apart, 0: collapsed into one.',
    queries: [[`run:mhc_composite_separation_ratio:min${R}`, '{{run}}']],
  },
  {
    title: 'Routing entropy, lowest connection',
    description: '0 routes hard, 1 mixes evenly.',
    unit: 'percentunit',
    queries: [[`min by (run) (mhc_layer_routing_entropy_ratio${R})`, '{{run}}']],
  },
  {
    title: 'Loss',
    description: 'Of the last watched step.',
    queries: [[`mhc_training_loss${R}`, '{{run}}']],
  },
  {
    title: 'Gradient norm and learning rate',
    description: 'The norm before clipping.',
    log: true,
    queries: [
      [`mhc_training_gradient_norm${R}`, '{{run}} gradient'],
      [`mhc_training_learning_rate${R}`, '{{run}} learning rate'],
    ],
  },
  {
    title: 'Steps per second',
    description: 'Watched or not.',
    queries: [[`run:mhc_training_steps:rate1m${R}`, '{{run}}']],
  },
  {
    title: 'Memory of the connections',
    description: 'activations: kept for the backward pass.',
    unit: 'bytes',
    queries: [[`sum by (run, kind) (mhc_layer_memory_bytes${R})`, '{{run}} {{kind}}']],
  },
  {
    title: 'Memory held by the backend',
    description: 'After the step.',
    unit: 'bytes',
    queries: [['mhc_training_memory_bytes{run=~"$run", kind="allocated"}', '{{run}}']],
  },
  {
    title: 'gainwatch itself',
    description: 'Share of the training time; steps lost; faults.',
    queries: [
      [`rate(mhc_monitor_overhead_seconds_total${R}[1m])`, '{{run}} share of time'],
      [`mhc_monitor_samples_dropped_total${R}`, '{{run}} lost'],
      [`mhc_monitor_errors_total${R}`, '{{run}} faults'],
      [`mhc_monitor_recording_failing${R}`, '{{run}} not recorded'],
    ],
  },
  {
    title: 'Disk of the recordings',
    description: 'Free; when it is used up, nothing is recorded.',
    unit: 'bytes',
    queries: [['mhc_monitor_disk_free_bytes', '{{instance}} free']],
  },
];

const COLUMNS = 24;
const HEIGHT = 8;
const DATASOURCE = { type: 'prometheus', uid: '$datasource' };

function panels() {
  let x = 0;
  let y = 0;
  return PANELS.map(({ title, description, unit = 'none', queries, log = false }, i) => {
    const width = COLUMNS / (i < WIDE_PANELS ? 2 : 3);
    if (x + width > COLUMNS) {
      x = 0;
      y += HEIGHT;
    }
    const gridPos = { x, y, w: width, h: HEIGHT };
    x += width;
    const scaleDistribution = log ? { type: 'log', log: 10 } : { type: 'linear' };
    return {
      id: i + 1,
      type: 'timeseries',
      title,
      description,
      datasource: DATASOURCE,
      gridPos,
      fieldConfig: { defaults: { unit, custom: { scaleDistribution, showPoints: 'never', lineWidth: 1 } }, overrides: [] },
      options: { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi', sort: 'desc' } },
      targets: queries.map(([expr, legendFormat], q) => ({
        refId: String.fromCharCode(65 + q),
        datasource: DATASOURCE,
        expr,
        legendFormat,
      })),
    };
  });
}

/** The dashboard, as JSON to import. */
export function grafanaDashboard(): string {
  const dashboard = {
    title: 'gainwatch',
    uid: 'gainwatch',
    tags: ['training', 'hyper-connections'],
    schemaVersion: 38,
    editable: true,
    refresh: '5s',
    time: { from: 'now-30m', to: 'now' },
    templating: {
      list: [
        { name: 'datasource', type: 'datasource', query: 'prometheus' },
        {
          name: 'run',
          type: 'query',
          datasource: DATASOURCE,
          query: { query: 'label_values(mhc_run_info, run)', refId: 'run' },
          refresh: 2,
          multi: true,
          includeAll: true,
          allValue: '.*',
          current: { text: 'All', value: '$__all' },
        },
      ],
    },
    panels: panels(),
  };
  return `${JSON.stringify(dashboard, null, 2)}\n`;
}
