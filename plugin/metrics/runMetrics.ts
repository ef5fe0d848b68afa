/** What the metrics know of each run, as plain data; filled step by step, read at a scrape (by the definitions). */
import { indexOf, type Listing } from '../../src/telemetry/listing.ts';
import type { StepReport } from '../../src/telemetry/report.ts';
import { RULE_SEVERITIES, type Severity, type Warning } from '../../src/telemetry/warning.ts';
import type { LiveRun } from '../pipeline/liveRun.ts';

export interface RunMetrics {
  readonly run: LiveRun;
  stepsTotal: number;
  /** Per connection, [L]. */
  nonfiniteTotal: Float64Array;
  last: StepReport | null;
  /** Warnings raised, by rule and severity. */
  readonly warningsTotal: { rule: string; severity: Severity; count: number }[];
  /** Metrics that could not be made of it, each counted once as an error of the run. */
  readonly failed: Set<string>;
  /** Only the outcome is left to be scraped. */
  gone: boolean;
}

/** By the name of the run. */
export type MetricsState = Map<string, RunMetrics>;

/** Counters at 0, no step yet. @param before of the same name, opened earlier: what counts goes on from there */
export function createRunMetrics(run: LiveRun, before?: RunMetrics): RunMetrics {
  const counts = Object.entries(RULE_SEVERITIES).flatMap(([rule, severities]) =>
    severities.map((severity) => ({ rule, severity, count: 0 })),
  );
  const nonfiniteTotal = totalsOf(run.header.connections, before?.run.header.connections ?? [], before?.nonfiniteTotal ?? []);
  const { stepsTotal = 0, warningsTotal = counts } = before ?? {};
  return { run, stepsTotal, nonfiniteTotal, last: null, warningsTotal, failed: new Set(), gone: false };
}

/** Each by its name; 0 of those that were not there before. */
const totalsOf = (connections: Listing, before: Listing, totals: ArrayLike<number>): Float64Array =>
  Float64Array.from(connections, ({ name }) => totals[indexOf(before).get(name) ?? -1] ?? 0);

/** The run has more connections by now. @param before those that it had */
export function moveConnections(metrics: RunMetrics, before: Listing): void {
  const { run } = metrics;
  metrics.nonfiniteTotal = totalsOf(run.header.connections, before, metrics.nonfiniteTotal);
  if (metrics.last !== null) metrics.last = run.last;
}

/** A metric that cannot be made of the run, or a value that it cannot have, is left out and counted. */
export function noteFailed({ run, failed }: RunMetrics, metric: string): void {
  if (failed.has(metric)) return;
  failed.add(metric);
  run.errors++;
}

/** Counts a warning that was raised. */
export function addWarning({ warningsTotal }: RunMetrics, { rule, severity }: Warning): void {
  const entry = warningsTotal.find((one) => one.rule === rule && one.severity === severity);
  if (entry !== undefined) entry.count++;
}

/** Counts a step and keeps it as the last. Counters never go down: a step back (a new attempt) is one more step done. */
export function addStep(metrics: RunMetrics, report: StepReport): void {
  // The first of a run that was known before goes on from an unknown step: it counts as one.
  const before = metrics.last?.step ?? (metrics.stepsTotal > 0 ? report.step - 1 : 0);
  metrics.stepsTotal += report.step > before ? report.step - before : 1;
  metrics.last = report;
  report.nonfinite.forEach((count, l) => {
    metrics.nonfiniteTotal[l] += count;
  });
}
