/** A spike of the loss or of the gradient norm: context for the other warnings, never an alarm by itself. */
import type { StepReport } from '../../src/telemetry/report.ts';
import type { RunHeader } from '../../src/telemetry/sample.ts';
import { finding } from '../finding.ts';
import type { Finding } from '../latch.ts';

/** Standard deviations of ln(value) above its mean, and the least factor over the mean. */
const SIGMAS = 8;
const FACTOR = 3;
/** Reports before the first verdict. */
const SEEN = 50;
/** Weight of a new value. */
const WEIGHT = 0.02;

export interface Spikes {
  seen: number;
  mean: number;
  variance: number;
}

export const createSpikes = (): Spikes => ({ seen: 0, mean: 0, variance: 0 });

/** The mean and variance of ln(value) are exponentially weighted; a spike enters them cut to where a spike begins. */
export function findSpike(
  header: RunHeader,
  state: Spikes,
  report: StepReport,
  rule: 'loss-spike' | 'gradient-spike',
  measure: 'loss' | 'gradientNorm',
): Finding {
  const value = report[measure];
  if (value === null || !(value > 0) || !Number.isFinite(value)) return null;
  const x = Math.log(value);
  const limit = state.mean + Math.max(SIGMAS * Math.sqrt(state.variance), Math.log(FACTOR));
  const spike = state.seen >= SEEN && x > limit;
  const threshold = Math.exp(limit);
  const usual = Math.exp(state.mean);
  const taken = spike ? limit : x;
  state.seen++;
  const weight = Math.max(WEIGHT, 1 / state.seen);
  const difference = taken - state.mean;
  state.mean += weight * difference;
  state.variance = (1 - weight) * (state.variance + weight * difference * difference);
  if (!spike) return null;
  return finding(header, report, 'fire', {
    rule,
    severity: 'info',
    measure,
    value,
    threshold,
    cause: { kind: 'spike', figures: { usual } },
  });
}
