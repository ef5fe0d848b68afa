/** What a metric is: its name, help and labels, and its series at a scrape. Plain data; registry.ts makes prom-client objects of it. */
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

export type MetricType = 'gauge' | 'counter';

export interface MetricDefinition {
  readonly type: MetricType;
  /** With `_total` where it is a counter. */
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  /** Sets every series, at each scrape anew, so that nothing of a run stays behind. */
  readonly collect: (context: ScrapeContext, set: SetValue) => void;
}

/** A metric by what fills it. */
export const define = (
  type: MetricType,
  name: string,
  help: string,
  labels: readonly string[],
  collect: MetricDefinition['collect'],
): MetricDefinition => ({ type, name, help, labels, collect });

/** A metric that every run fills which goes on or lingers. */
export const ofRuns = (
  type: MetricType,
  name: string,
  help: string,
  labels: readonly string[],
  collect: (metrics: RunMetrics, set: SetValue) => void,
): MetricDefinition =>
  define(type, name, help, labels, ({ state }, set) => {
    for (const metrics of state.values()) if (!metrics.gone) collect(metrics, set);
  });

type Value = number | null | undefined;

/** One number of each run; absent where it is not known. */
export const ofRun = (type: MetricType, name: string, help: string, value: (metrics: RunMetrics) => Value): MetricDefinition =>
  ofRuns(type, name, help, ['run'], (metrics, set) => {
    const known = value(metrics);
    if (known != null) set({ run: metrics.run.header.run }, known);
  });

/** One number of each connection of each run; absent where it is not known. @param value of connection l */
export const ofLayer = (type: MetricType, name: string, help: string, value: (metrics: RunMetrics, l: number) => Value): MetricDefinition =>
  ofRuns(type, name, help, ['run', 'layer'], (metrics, set) => {
    metrics.run.header.connections.forEach(({ name: layer }, l) => {
      const known = value(metrics, l);
      if (known != null) set({ run: metrics.run.header.run, layer }, known);
    });
  });
