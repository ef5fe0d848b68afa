/** What a metric is: its name, help and labels, and its series at a scrape. Plain data; metrics.ts makes prom-client objects of it. */
import type { Ingest } from '../ingest/ingestRun.ts';
import { type MetricsState, noteFailed, type RunMetrics } from './runMetrics.ts';

/** One series of a metric at a scrape; absent where its value is not known. */
export type Series = readonly [labels: Record<string, string>, value: number | null | undefined];

/** Of the disk of the recordings; null: not known (yet). */
export interface DiskSpace {
  freeBytes: number | null;
  /** Until it is full; +Inf: it does not fill. */
  timeLeftSeconds: number | null;
}

/** What the series are made of. */
export interface ScrapeContext {
  readonly state: MetricsState;
  /** null: this process takes no runs of others. */
  readonly ingest: Ingest | null;
  /** null: nothing is recorded. */
  readonly disk: (() => DiskSpace) | null;
  /** Of gainwatch. */
  readonly version: string;
}

export interface MetricDefinition {
  /** With `_total`: a counter; all others are gauges. */
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  /** Every series, at each scrape anew, so that nothing of a run stays behind. */
  readonly collect: (context: ScrapeContext) => Series[];
}

/** A metric by what fills it. */
export const define = (name: string, help: string, labels: readonly string[], collect: MetricDefinition['collect']): MetricDefinition => ({
  name,
  help,
  labels,
  collect,
});

/** A metric that every run fills which goes on or lingers. @param labels besides `run` */
export const ofRuns = (
  name: string,
  help: string,
  labels: readonly string[],
  collect: (metrics: RunMetrics) => Series[],
): MetricDefinition =>
  define(name, help, ['run', ...labels], ({ state }) =>
    [...state.values()].filter(({ gone }) => !gone).flatMap((metrics) => ofOneRun(name, metrics, collect)),
  );

/** What cannot be made of one run is left out: that of the others stays. */
function ofOneRun(name: string, metrics: RunMetrics, collect: (metrics: RunMetrics) => Series[]): Series[] {
  try {
    return collect(metrics).map(([more, value]): Series => [{ run: metrics.run.header.run, ...more }, value]);
  } catch {
    noteFailed(metrics, name);
    return [];
  }
}

/** One number of each run. */
export const ofRun = (name: string, help: string, value: (metrics: RunMetrics) => Series[1]): MetricDefinition =>
  ofRuns(name, help, [], (metrics) => [[{}, value(metrics)]]);

/** One number of each connection of each run. @param value of connection l */
export const ofLayer = (name: string, help: string, value: (metrics: RunMetrics, l: number) => Series[1]): MetricDefinition =>
  ofRuns(name, help, ['layer'], (metrics) => metrics.run.header.connections.map(({ name: layer }, l) => [{ layer }, value(metrics, l)]));
