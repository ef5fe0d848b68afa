/**
 * The metric catalogue as prom-client objects that are filled at each scrape from plain state, so that nothing of a run
 * stays behind. Each format has a registry and metric objects of its own: prom-client changes the names of counters with
 * the content type.
 */
import { Counter, Gauge, Histogram, type OpenMetricsContentType, type PrometheusContentType, Registry } from 'prom-client';
import { MEASURES } from '../../src/telemetry/catalogue.ts';
import { MEMORY_KINDS } from '../../src/telemetry/sample.ts';
import type { Ingest } from '../ingest/ingestRun.ts';
import type { Sink } from '../pipeline/sinks.ts';
import { addIngestMetrics, type IngestFamilies } from './ingest.ts';
import { addStep, addWarning, createRunMetrics, type MetricsState, type RunMetrics, type SetValue } from './state.ts';

export interface Metrics {
  readonly sink: Sink;
  /** The exposition for an Accept header: OpenMetrics where it is asked for, text 0.0.4 otherwise. */
  scrape(accept: string | undefined): Promise<{ contentType: string; body: string }>;
}

/** Upper bounds, seconds. */
const STEP_SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Runs that are gone of which the outcome is kept: a sender of ever new runs fills nothing. */
const GONE_AT_MOST = 256;

/**
 * @param ingest null: this process takes no runs of others
 * @param rankLabel series of each rank too
 */
export function createMetrics(version: string, ingest: Ingest | null = null, rankLabel = false): Metrics {
  const state: MetricsState = new Map();
  const text = createExposition(state, Registry.PROMETHEUS_CONTENT_TYPE, version, { ingest, rankLabel });
  const openMetrics = createExposition(state, Registry.OPENMETRICS_CONTENT_TYPE, version, { ingest, rankLabel });
  const histograms = [text.stepSeconds, openMetrics.stepSeconds];
  const sink: Sink = {
    onOpen: (run) => {
      const before = state.get(run.header.run);
      if (before?.run !== run) state.set(run.header.run, createRunMetrics(run, before));
    },
    onStep: (run, report) => {
      const metrics = state.get(run.header.run);
      if (metrics === undefined) return;
      addStep(metrics, report);
      if (Number.isFinite(report.stepSeconds)) for (const h of histograms) h.observe({ run: run.header.run }, report.stepSeconds);
    },
    onWarning: (run, { warning }, what) => {
      const metrics = state.get(run.header.run);
      if (metrics !== undefined && what === 'raised') addWarning(metrics, warning);
    },
    onForget: (run) => {
      const metrics = state.get(run.header.run);
      if (metrics?.run !== run) return;
      metrics.gone = true;
      for (const histogram of histograms) histogram.remove({ run: run.header.run });
      const gone = [...state.values()].filter((one) => one.gone);
      for (const { run: old } of gone.slice(0, -GONE_AT_MOST)) state.delete(old.header.run);
    },
  };
  return {
    sink,
    scrape: async (accept) => {
      const { registry } = accept?.includes('application/openmetrics-text') ? openMetrics : text;
      return { contentType: registry.contentType, body: await registry.metrics() };
    },
  };
}

type ContentType = PrometheusContentType | OpenMetricsContentType;

function createExposition(
  state: MetricsState,
  contentType: ContentType,
  version: string,
  ofIngest: Pick<IngestFamilies, 'ingest' | 'rankLabel'>,
) {
  const registry: Registry<ContentType> = new Registry();
  registry.setContentType(contentType);
  const registers = [registry];
  const present = function* (): Generator<RunMetrics> {
    for (const metrics of state.values()) if (!metrics.gone) yield metrics;
  };

  /** Filled at each scrape, so that nothing of a run stays behind. */
  const plainGauge = (name: string, help: string, labelNames: string[], fill: (set: SetValue) => void) => {
    new Gauge({
      name,
      help,
      labelNames,
      registers,
      collect() {
        this.reset();
        fill((labels, value) => this.set(labels, value));
      },
    });
  };
  const plainCounter = (name: string, help: string, labelNames: string[], fill: (set: SetValue) => void) => {
    new Counter({
      name: contentType === Registry.OPENMETRICS_CONTENT_TYPE ? name.replace(/_total$/, '') : name,
      help,
      labelNames,
      registers,
      collect() {
        this.reset();
        fill((labels, value) => this.inc(labels, value));
      },
    });
  };
  type Fill = (metrics: RunMetrics, set: SetValue) => void;
  /** Of every run that goes on or lingers. */
  const ofRuns = (fill: Fill) => (set: SetValue) => {
    for (const metrics of present()) fill(metrics, set);
  };
  const gauge = (name: string, help: string, labelNames: string[], fill: Fill) => plainGauge(name, help, labelNames, ofRuns(fill));
  const counter = (name: string, help: string, labelNames: string[], fill: Fill) => plainCounter(name, help, labelNames, ofRuns(fill));
  /** A number of the run that is absent where it is not known. */
  const runGauge = (name: string, help: string, value: (metrics: RunMetrics) => number | null | undefined) =>
    gauge(name, help, ['run'], (metrics, set) => {
      const v = value(metrics);
      if (v != null) set({ run: metrics.run.header.run }, v);
    });
  const runCounter = (name: string, help: string, value: (metrics: RunMetrics) => number) =>
    counter(name, help, ['run'], (metrics, set) => set({ run: metrics.run.header.run }, value(metrics)));

  MEASURES.forEach(({ metric, help }, m) => {
    gauge(metric, help, ['run', 'layer'], ({ run, last }, set) => {
      if (last === null) return;
      const layers = run.header.connections.length;
      run.header.connections.forEach((connection, l) => {
        const value = last.measures[m * layers + l];
        // Undefined here is absent; NaN is shown where the values themselves are not finite.
        if (!Number.isNaN(value) || last.nonfinite[l] > 0) set({ run: run.header.run, layer: connection.name }, value);
      });
    });
  });
  counter(
    'mhc_nonfinite_values_total',
    'NaN and infinite values among the sampled ones.',
    ['run', 'layer'],
    ({ run, nonfiniteTotal }, set) => {
      run.header.connections.forEach((c, l) => {
        set({ run: run.header.run, layer: c.name }, nonfiniteTotal[l]);
      });
    },
  );
  gauge(
    'mhc_layer_memory_bytes',
    'Memory of a connection; activations is what it keeps for the backward pass, branch_activations what its branch keeps.',
    ['run', 'layer', 'kind'],
    ({ run, last }, set) => {
      const { memory } = last ?? {};
      if (memory == null) return;
      const layers = run.header.connections.length;
      MEMORY_KINDS.forEach((kind, k) => {
        run.header.connections.forEach((c, l) => {
          const bytes = memory.connections[k * layers + l];
          if (Number.isFinite(bytes)) set({ run: run.header.run, layer: c.name, kind }, bytes);
        });
      });
    },
  );
  gauge(
    'mhc_layer_info',
    'What each connection is; always 1.',
    ['run', 'layer', 'kind', 'streams', 'convention', 'index'],
    ({ run }, set) => {
      run.header.connections.forEach((c, index) => {
        const streams = String(run.header.streams);
        set({ run: run.header.run, layer: c.name, kind: c.kind, streams, convention: c.convention ?? '', index: String(index) }, 1);
      });
    },
  );

  runGauge(
    'mhc_composite_gain_ratio',
    'G: the largest composite gain of any prefix (forward) or suffix (backward).',
    (m) => m.last?.compositeGain,
  );
  runCounter('mhc_training_steps_total', 'Training steps done, watched or not.', (m) => m.stepsTotal);
  runGauge('mhc_training_loss', 'Loss of the last watched step.', (m) => m.last?.loss);
  runGauge('mhc_training_gradient_norm', 'Norm of the whole gradient, before clipping.', (m) => m.last?.gradientNorm);
  runGauge('mhc_training_learning_rate', 'Learning rate of the last watched step.', (m) => m.last?.learningRate);
  runGauge('mhc_training_last_step_timestamp_seconds', 'When the last watched step ended, Unix time.', (m) =>
    m.last === null ? null : m.last.time / 1000,
  );
  gauge(
    'mhc_training_memory_bytes',
    'Memory of the run; allocated is what the backend holds after the step.',
    ['run', 'kind'],
    (m, set) => {
      for (const [kind, bytes] of Object.entries(m.last?.memory?.totals ?? {})) set({ run: m.run.header.run, kind }, bytes);
    },
  );
  gauge('mhc_run_info', 'What each run is; always 1.', ['run', 'attempt', 'streams', 'tokens'], ({ run }, set) => {
    const { header, attempt } = run;
    set({ run: header.run, attempt: String(attempt), streams: String(header.streams), tokens: String(header.tokens) }, 1);
  });
  plainGauge(
    'mhc_run_outcome',
    'How a run ended (completed, interrupted, failed, unknown); always 1. Absent while it goes on.',
    ['run', 'outcome'],
    (set) => {
      for (const { run } of state.values()) if (run.outcome !== null) set({ run: run.header.run, outcome: run.outcome }, 1);
    },
  );

  gauge(
    'mhc_gain_forecast_steps',
    'Training steps until the composite gain reaches the threshold if it goes on as now; +Inf: it does not rise.',
    ['run', 'threshold'],
    ({ run }, set) => {
      for (const { threshold, steps } of run.detection.detectors.forecast)
        set({ run: run.header.run, threshold: String(threshold) }, steps);
    },
  );
  gauge(
    'mhc_warning_active',
    'A warning that holds; always 1. layer is empty where it concerns the run as a whole. Absent once the run has ended.',
    ['run', 'rule', 'severity', 'layer'],
    ({ run }, set) => {
      if (run.outcome !== null) return;
      for (const { rule, severity, connection } of run.detection.detectors.active) {
        set({ run: run.header.run, rule, severity, layer: connection ?? '' }, 1);
      }
    },
  );
  counter('mhc_warnings_total', 'Warnings raised.', ['run', 'rule', 'severity'], ({ run, warningsTotal }, set) => {
    for (const { rule, severity, count } of warningsTotal) set({ run: run.header.run, rule, severity }, count);
  });

  runCounter('mhc_monitor_overhead_seconds_total', 'Time of the training thread spent in gainwatch.', (m) => m.run.monitor.overheadSeconds);
  runCounter(
    'mhc_monitor_samples_dropped_total',
    'Watched steps that were not taken in.',
    (m) => m.run.monitor.samplesDropped + m.run.dropped,
  );
  runCounter(
    'mhc_monitor_errors_total',
    'Faults of gainwatch itself; none touches the training.',
    (m) => m.run.monitor.errors + m.run.errors,
  );
  addIngestMetrics({ gauge, plainGauge, plainCounter, ...ofIngest });
  new Gauge({ name: 'mhc_build_info', help: 'The version of gainwatch; always 1.', labelNames: ['version'], registers }).set(
    { version },
    1,
  );

  const stepSeconds = new Histogram({
    name: 'mhc_training_step_seconds',
    help: 'Duration of the watched training steps.',
    labelNames: ['run'],
    buckets: STEP_SECONDS,
    registers,
  });
  return { registry, stepSeconds };
}
