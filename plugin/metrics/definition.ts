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

/**
 * Connections that have series, of all runs: each has some thirty. Our choice: as many as one run may have, and 64 runs of a large model
 * have. Senders may name half a million, and nobody could be answered meanwhile.
 */
const MAX_LAYERS = 8192;

const sizeOf = ({ run }: RunMetrics): number => run.header.connections.length;

/** Runs whose connections have series: the smallest, as many as fit. The others keep what is theirs as a whole. */
function runsWithLayers(state: MetricsState): RunMetrics[] {
  const runs = [...state.values()].filter(({ gone }) => !gone);
  const fitting = new Set<RunMetrics>();
  let layers = 0;
  for (const one of [...runs].sort((a, b) => sizeOf(a) - sizeOf(b))) {
    layers += sizeOf(one);
    if (layers > MAX_LAYERS) break;
    fitting.add(one);
  }
  return runs.filter((one) => fitting.has(one));
}

/** How many connections have series. */
export const countLayers = (state: MetricsState): number => runsWithLayers(state).reduce((sum, one) => sum + sizeOf(one), 0);

/** A metric that the connections of every run fill, as many as may have series. @param labels besides `run` and `layer` */
export const ofConnections = (
  name: string,
  help: string,
  labels: readonly string[],
  collect: (metrics: RunMetrics) => Series[],
): MetricDefinition =>
  define(name, help, ['run', 'layer', ...labels], ({ state }) =>
    runsWithLayers(state).flatMap((metrics) => ofOneRun(name, metrics, collect)),
  );

/** One number of each run. */
export const ofRun = (name: string, help: string, value: (metrics: RunMetrics) => Series[1]): MetricDefinition =>
  ofRuns(name, help, [], (metrics) => [[{}, value(metrics)]]);

/** One number of each connection of each run. @param value of connection l */
export const ofLayer = (name: string, help: string, value: (metrics: RunMetrics, l: number) => Series[1]): MetricDefinition =>
  ofConnections(name, help, [], (metrics) => metrics.run.header.connections.map(({ name: layer }, l) => [{ layer }, value(metrics, l)]));
