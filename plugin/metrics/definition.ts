/** What a metric is: its name, help and labels, and the series it has at a scrape. Plain data; registry.ts makes prom-client objects of it. */
import type { Ingest } from '../ingest/ingestRun.ts';
import type { MetricsState, RunMetrics } from './runMetrics.ts';

/** Sets one series of a metric at a scrape. */
export type SetValue = (labels: Record<string, string>, value: number) => void;

/** What the series are made of. */
export interface ScrapeContext {
  readonly state: MetricsState;
  /** null: this process takes no runs of others. */
  readonly ingest: Ingest | null;
  /** Of gainwatch. */
  readonly version: string;
}

export interface MetricDefinition {
  readonly type: 'gauge' | 'counter';
  /** With `_total` where it is a counter. */
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  /** Sets every series, at each scrape anew, so that nothing of a run stays behind. */
  readonly collect: (context: ScrapeContext, set: SetValue) => void;
}

/** Sets the series of one run. */
type CollectRun = (metrics: RunMetrics, set: SetValue) => void;

/** Of every run that goes on or lingers. */
const ofRuns =
  (collect: CollectRun): MetricDefinition['collect'] =>
  ({ state }, set) => {
    for (const metrics of state.values()) if (!metrics.gone) collect(metrics, set);
  };

/** A gauge that each run fills. */
export const gauge = (name: string, help: string, labels: readonly string[], collect: CollectRun): MetricDefinition => ({
  type: 'gauge',
  name,
  help,
  labels,
  collect: ofRuns(collect),
});

/** A counter that each run fills. */
export const counter = (name: string, help: string, labels: readonly string[], collect: CollectRun): MetricDefinition => ({
  ...gauge(name, help, labels, collect),
  type: 'counter',
});

/** A number of the run; absent where it is not known (null). */
export const runGauge = (name: string, help: string, value: (metrics: RunMetrics) => number | null | undefined): MetricDefinition =>
  gauge(name, help, ['run'], (metrics, set) => {
    const known = value(metrics);
    if (known != null) set({ run: metrics.run.header.run }, known);
  });

/** A count of the run. */
export const runCounter = (name: string, help: string, value: (metrics: RunMetrics) => number): MetricDefinition => ({
  ...runGauge(name, help, value),
  type: 'counter',
});

/** A gauge with a series for each connection of a run; absent where the value is null. @param value of connection l */
export const layerGauge = (name: string, help: string, value: (metrics: RunMetrics, l: number) => number | null): MetricDefinition =>
  gauge(name, help, ['run', 'layer'], (metrics, set) => {
    metrics.run.header.connections.forEach(({ name: layer }, l) => {
      const known = value(metrics, l);
      if (known !== null) set({ run: metrics.run.header.run, layer }, known);
    });
  });
