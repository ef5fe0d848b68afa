/** What came of a demo run, asked of the server that everyone else asks, and as a table for the terminal. */
import { setTimeout as pause } from 'node:timers/promises';
import Table from 'cli-table3';
import { MAX_GAIN, MAX_GAIN_CRITICAL } from '../../alerts/limits.ts';
import type { RunDetail, SeriesAnswer, StepAnswer, WarningAnswer } from '../../src/telemetry/api.ts';
import type { MeasureKey } from '../../src/telemetry/catalogue.ts';
import type { Warning } from '../../src/telemetry/warning.ts';
import { fromWire, type WireNumber } from '../../src/telemetry/wire.ts';
import type { Monitor } from '../watch.ts';
import type { Trainee } from './trainee.ts';

export interface RunResult {
  run: string;
  steps: number;
  /** Means of the first and of the last ten steps, nats per byte. */
  firstLoss: number;
  lastLoss: number;
  /** Over all connections and steps. */
  maxCompositeForwardGain: number;
  maxCompositeBackwardGain: number;
  worstRowDeviation: number;
  worstColumnDeviation: number;
  /** Mean over connections of the share of H_res off its diagonal, last watched step. */
  offDiagonalMass: number;
  /** Last watched step, bytes. */
  connectionActivations: number | null;
  branchActivations: number | null;
  allocated: number | null;
  /** Median of a step, with the watching, ms. */
  medianStepMs: number;
  /** Share of the training time that gainwatch took. */
  monitorShare: number;
  samplesDropped: number;
  errors: number;
  /** The first warning above `info`. */
  firstWarning: { step: number; rule: string; connection: string | null; message: string } | null;
  /** First step at which the composite gain was at or above each of GAIN_LIMITS; null: never. */
  [limit: `passed${number}`]: number | null;
}

/** Those of free connections. */
const GAIN_LIMITS = [MAX_GAIN, MAX_GAIN_CRITICAL];
/** How often, and in what interval, the newest step is asked for before its commit: 10 s in all, our choice. */
const MAX_TRIES = 100;
const RETRY_MS = 100;
/** More points than steps: none is a bucket of several. */
const ALL_POINTS = 10_000;
/** Steps over which the first and the last loss are means. */
const LOSS_STEPS = 10;

/** The run's first warning that is more than context; null: none came back so far. */
export function firstWarning(monitor: Monitor): Warning | null {
  return monitor.warnings().find(({ warning }) => warning.severity !== 'info')?.warning ?? null;
}

/**
 * Waits for the last watched step to be recorded, then reads the run, which is still open: its server cannot go meanwhile.
 * @throws Error where the server does not answer
 */
export async function readResults(
  url: string,
  token: string | null,
  { name, losses, milliseconds, lastWatched, monitor }: Trainee,
): Promise<RunResult> {
  const ask = async <T>(path: string): Promise<T> => {
    const response = await fetch(
      `${url}api/v1/runs/${name}${path}`,
      token === null ? {} : { headers: { authorization: `Bearer ${token}` } },
    );
    if (!response.ok) throw new Error(`run ${name} could not be read back: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  };
  for (let tries = 0; (await ask<RunDetail>('')).lastStep !== lastWatched() && tries < MAX_TRIES; tries++) await pause(RETRY_MS);
  const largest = async (measure: MeasureKey): Promise<number> => {
    const { series } = await ask<SeriesAnswer>(`/series?measure=${measure}&points=1`);
    const values = series.flatMap((s) => s.max).filter((v): v is WireNumber => v !== null);
    return values.map(fromWire).reduce((a, b) => (b > a || Number.isNaN(a) ? b : a), Number.NaN);
  };
  const gains = await ask<SeriesAnswer>(`/series?measure=compositeGain&points=${ALL_POINTS}`);
  const firstAbove = (threshold: number): number | null =>
    gains.steps.find((_, i) => !(fromWire(gains.series[0].max[i] ?? 0) < threshold)) ?? null;
  const warning = (await ask<WarningAnswer[]>('/warnings')).find(({ severity }) => severity !== 'info');
  const latest = await ask<StepAnswer>('/steps/latest');
  const totals = latest.memory?.totals ?? {};
  const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const total = milliseconds.reduce((a, b) => a + b, 0);
  const { overheadSeconds, samplesDropped, errors } = monitor.counters;
  return {
    run: name,
    steps: losses.length,
    firstLoss: mean(losses.slice(0, LOSS_STEPS)),
    lastLoss: mean(losses.slice(-LOSS_STEPS)),
    maxCompositeForwardGain: await largest('compositeForwardGain'),
    maxCompositeBackwardGain: await largest('compositeBackwardGain'),
    worstRowDeviation: await largest('rowDeviation'),
    worstColumnDeviation: await largest('columnDeviation'),
    offDiagonalMass: mean(latest.mapping.map(offDiagonal)),
    connectionActivations: totals['activations'] ?? null,
    branchActivations: totals['branch_activations'] ?? null,
    allocated: totals['allocated'] ?? null,
    medianStepMs: [...milliseconds].sort((a, b) => a - b)[milliseconds.length >> 1],
    monitorShare: (overheadSeconds * 1000) / total,
    samplesDropped,
    errors,
    firstWarning:
      warning === undefined ? null : { step: warning.step, rule: warning.rule, connection: warning.connection, message: warning.message },
    ...Object.fromEntries(GAIN_LIMITS.map((limit) => [`passed${limit}`, firstAbove(limit)])),
  };
}

/** Σ off the diagonal of |H_ij|, over n. */
function offDiagonal(matrix: WireNumber[]): number {
  const n = Math.sqrt(matrix.length);
  return matrix.reduce<number>((sum, value, k) => sum + (k % (n + 1) === 0 ? 0 : Math.abs(fromWire(value))), 0) / n;
}

/** Near 1 its distance from it, which four digits would hide. */
function gain(value: number): string {
  const distance = Math.abs(value - 1);
  if (distance === 0 || !(distance < 1e-3)) return String(Number(value.toPrecision(4)));
  return `1 ${value < 1 ? '−' : '+'} ${distance.toExponential(0)}`;
}
const mebibytes = (bytes: number | null) => (bytes === null ? '–' : (bytes / 2 ** 20).toFixed(1));

/** A row for each figure, a column for each run. */
export function resultTable(results: readonly RunResult[]): string {
  const table = new Table({
    head: ['', ...results.map((r) => r.run)],
    style: { head: [], border: [] },
    colAligns: ['left', ...results.map(() => 'right' as const)],
  });
  const row = (label: string, cell: (result: RunResult) => string) => table.push([label, ...results.map(cell)]);
  row('loss, first → last ten of the steps', (r) => `${r.firstLoss.toFixed(3)} → ${r.lastLoss.toFixed(3)} of ${r.steps}`);
  row('max composite gain, forward', (r) => gain(r.maxCompositeForwardGain));
  row('max composite gain, backward', (r) => gain(r.maxCompositeBackwardGain));
  row('first warning', ({ firstWarning: first }) =>
    first === null ? 'none' : `step ${first.step}: ${first.rule}\n${first.connection ?? ''}`,
  );
  row(`composite gain passed ${GAIN_LIMITS.join(' / ')}`, (r) => {
    const [first, ...later] = GAIN_LIMITS.map((limit) => r[`passed${limit}`]);
    return first === null ? 'never' : `step ${[first, ...later.map((step) => step ?? '–')].join(' / ')}`;
  });
  row('worst |row sum − 1|', (r) => r.worstRowDeviation.toExponential(1));
  row('worst |column sum − 1|', (r) => r.worstColumnDeviation.toExponential(1));
  row('off-diagonal mass of H_res', (r) => r.offDiagonalMass.toFixed(3));
  row(
    'kept for backward by connections / branches, MiB',
    (r) => `${mebibytes(r.connectionActivations)} / ${mebibytes(r.branchActivations)}`,
  );
  row('held by the backend after the step, all models, MiB', (r) => mebibytes(r.allocated));
  row('ms per step, median', (r) => r.medianStepMs.toFixed(0));
  row('of it for watching', (r) => `${(100 * r.monitorShare).toFixed(1)} %`);
  return table.toString();
}
