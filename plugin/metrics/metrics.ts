/** The metrics of every run of this process: a sink of the pipeline that counts, and what a scrape is answered with. */
import { setImmediate as turn } from 'node:timers/promises';
import { Counter, Gauge, Histogram, type OpenMetricsContentType, type PrometheusContentType, Registry } from 'prom-client';
import type { Ingest } from '../ingest/ingestRun.ts';
import type { Sink } from '../pipeline/sinks.ts';
import { countLayers, type ScrapeContext } from './definition.ts';
import { definitions, STEP_SECONDS } from './definitions.ts';
import { addStep, addWarning, createRunMetrics, type MetricsState, moveConnections, noteFailed } from './runMetrics.ts';

export interface Metrics {
  readonly sink: Sink;
  /** The exposition. @param format the one of `FORMATS` that is wanted most; text 0.0.4 where it is none */
  scrape(format?: string | false): Promise<{ contentType: string; body: string }>;
}

/** What an Accept header may be about, for `request.accepts`: the first where several are as welcome. `escaping`: names need none. */
export const FORMATS: readonly string[] = [
  'text/plain;version=0.0.4;charset=utf-8',
  ...['underscores', 'dots', 'values', 'allow-utf-8'].map(
    (escaping) => `application/openmetrics-text;version=1.0.0;charset=utf-8;escaping=${escaping}`,
  ),
];

/** Runs that are gone of which the outcome is kept: a sender of ever new runs fills nothing. Our choice. */
const MAX_GONE_RUNS = 256;

/** Connections from which on a scrape is made metric by metric, and others are heard in between. Our choice: some 5 ms a metric. */
const MANY_LAYERS = 1024;

/**
 * Metrics without a run.
 * @param version of gainwatch
 * @param ingest null: this process takes no runs of others
 * @param rankLabel series of each rank too
 * @param disk of the recordings; null: nothing is recorded
 */
export function createMetrics(
  version: string,
  ingest: Ingest | null = null,
  rankLabel = false,
  disk: ScrapeContext['disk'] = null,
): Metrics {
  const state: MetricsState = new Map();
  const context: ScrapeContext = { state, ingest, version, disk };
  // One for each format: prom-client changes the names of counters with the content type, and corrupts an object in two registries.
  const text = createRegistry(context, Registry.PROMETHEUS_CONTENT_TYPE, rankLabel);
  const openMetrics = createRegistry(context, Registry.OPENMETRICS_CONTENT_TYPE, rankLabel);
  const histograms = [text.stepSeconds, openMetrics.stepSeconds];
  const sink: Sink = {
    onOpen: (run) => {
      const before = state.get(run.header.run);
      if (before?.run !== run) state.set(run.header.run, createRunMetrics(run, before));
    },
    onExtend: (run, before) => {
      const metrics = state.get(run.header.run);
      if (metrics?.run === run) moveConnections(metrics, before.connections);
    },
    onStep: (run, report) => {
      const metrics = state.get(run.header.run);
      if (metrics === undefined) return;
      addStep(metrics, report);
      if (!isCount(report.stepSeconds)) return;
      for (const histogram of histograms) histogram.observe({ run: run.header.run }, report.stepSeconds);
    },
    onWarning: (run, { warning }, what) => {
      const metrics = state.get(run.header.run);
      if (metrics !== undefined && what === 'raised') addWarning(metrics, warning);
    },
    onForget: (run) => {
      const metrics = state.get(run.header.run);
      if (metrics?.run !== run) return;
      metrics.gone = true;
      metrics.last = null;
      for (const histogram of histograms) histogram.remove({ run: run.header.run });
      const gone = [...state.values()].filter((one) => one.gone);
      for (const { run: old } of gone.slice(0, -MAX_GONE_RUNS)) state.delete(old.header.run);
    },
  };
  return {
    sink,
    scrape: async (format) => {
      const isOpen = typeof format === 'string' && format.startsWith('application/openmetrics-text');
      const { registry, scrape } = isOpen ? openMetrics : text;
      return { contentType: registry.contentType, body: await scrape() };
    },
  };
}

/** Can a counter go up by it? */
const isCount = (value: number): boolean => Number.isFinite(value) && value >= 0;

type ContentType = PrometheusContentType | OpenMetricsContentType;

/** The definitions as objects of prom-client for one format, filled at each scrape; and the histogram that is observed as steps come. */
function createRegistry(context: ScrapeContext, contentType: ContentType, rankLabel: boolean) {
  const registry: Registry<ContentType> = new Registry();
  registry.setContentType(contentType);
  const registers = [registry];
  let last: Promise<unknown> | null = null;
  /** Fills a metric: at once, or after the one before and whoever waits. */
  const inTurn = (fill: () => void): void | Promise<void> => {
    if (last === null) fill();
    else {
      const filled = last.then(() => turn()).then(fill);
      last = filled;
      return filled;
    }
  };
  let scraped: Promise<string> | null = null;
  /** Those who ask meanwhile get the same. */
  const scrape = (): Promise<string> => {
    if (scraped !== null) return scraped;
    last = countLayers(context.state) < MANY_LAYERS ? null : Promise.resolve();
    scraped = registry.metrics().finally(() => {
      scraped = null;
    });
    return scraped;
  };
  for (const { name, help, labels: labelNames, collect } of definitions(rankLabel)) {
    const options = { help, labelNames, registers };
    const isCounter = name.endsWith('_total');
    /** prom-client throws at what is none of its values, and all other series would be lost with it. */
    const known = () =>
      collect(context).flatMap(([labels, value]) => {
        if (value == null) return [];
        if (typeof value === 'number' && (!isCounter || isCount(value))) return [{ labels, value }];
        const run = context.state.get(labels['run'] ?? '');
        if (run !== undefined) noteFailed(run, name);
        return [];
      });
    if (!isCounter)
      new Gauge({
        ...options,
        name,
        collect() {
          return inTurn(() => {
            this.reset();
            if (labelNames.length === 0) this.remove(); // else it would be 0
            for (const { labels, value } of known()) this.set(labels, value);
          });
        },
      });
    else
      new Counter({
        ...options,
        name: contentType === Registry.OPENMETRICS_CONTENT_TYPE ? name.replace(/_total$/, '') : name,
        collect() {
          return inTurn(() => {
            this.reset();
            for (const { labels, value } of known()) this.inc(labels, value);
          });
        },
      });
  }
  const { labels: labelNames, ...histogram } = STEP_SECONDS;
  return { registry, scrape, stepSeconds: new Histogram({ ...histogram, labelNames, registers }) };
}
