/**
 * The forecast of the composite gain G: will it reach a limit, and when? Where connections are free (HC) the limits are 100
 * and 1000 and ln G is forecast, as a product over the depth grows exponentially. Where all are mHC, G is the gain in the
 * direction that Sinkhorn leaves inexact, at most n: the limit is n / 2 and ln(G − 1) is forecast.
 *
 * The trend of G is not all: matrices near the identity lie as far from it as the learning rate carries them, so ln G
 * follows the learning rate, after it. Of what a risen rate alone would add, six tenths are believed:
 *
 *     peak = trend's peak + 0.6 · max(level, 0) · (rate / mean rate − 1)
 *
 * 1000 has two findings: `warning` believes all of that, and comes early; `critical` at most an e-fold, so that G itself
 * must be rising, and is seldom wrong.
 */
import type { StepReport } from '../../src/telemetry/report.ts';
import type { RunHeader } from '../../src/telemetry/sample.ts';
import type { Severity } from '../../src/telemetry/warning.ts';
import { finding } from '../finding.ts';
import type { Finding } from '../latch.ts';
import { isBounded, MAX_GAIN, MAX_GAIN_CRITICAL, runLimits } from '../limits.ts';
import { createRate, type Rate, rateRise } from '../rate.ts';
import { addToTrend, createTrend, forecast, type Trend } from '../trend.ts';
import { type Runaway, suspectsOf } from './runaway.ts';

/** Share of the growth with a risen learning rate that is believed. This and the limits: chosen on the tuning half of the corpus. */
const FOLLOWS = 0.6;
/** How far below what fires the forecast must fall for the warning to end, in ln. */
const HYSTERESIS = 1.5;
/** Of G − 1: a healthy mHC model has as much. */
const LEAST_EXCESS = 0.1;

export interface GainForecast {
  threshold: number;
  /** Training steps until G reaches it; 0: it has; Infinity: it is not rising. */
  steps: number;
  /** Meant to hold the steps nine times in ten. */
  interval: [low: number, high: number];
}

export interface Gain {
  trend: Trend;
  rate: Rate;
}
export const createGain = (): Gain => ({ trend: createTrend(), rate: createRate() });

/** When a forecast becomes a finding. */
interface Limit {
  threshold: number;
  severity: Severity;
  /** How far above the threshold the highest forecast must be, in ln; less ln(sensitivity). */
  above: number;
  /** Most that a risen learning rate may add, in ln. */
  most: number;
  /** Does a slope that is small but steady count? */
  steadily: boolean;
  /** Steps in a row that must find it. */
  confirm: number;
}

export function limitsOf(header: RunHeader): Limit[] {
  const any = Number.POSITIVE_INFINITY;
  if (!isBounded(header)) {
    return [
      { threshold: MAX_GAIN, severity: 'warning', above: 0.7, most: any, steadily: true, confirm: 2 },
      { threshold: MAX_GAIN_CRITICAL, severity: 'warning', above: 1.6, most: any, steadily: true, confirm: 2 },
      { threshold: MAX_GAIN_CRITICAL, severity: 'critical', above: 1.73, most: 1, steadily: false, confirm: 10 },
    ];
  }
  return runLimits(header).gain.map((threshold) => ({ threshold, severity: 'critical', above: 0.7, most: 0, steadily: true, confirm: 2 }));
}

/** @returns one finding for each of `limitsOf(header)`, and one forecast for each threshold once there are enough steps */
export function findGain(
  header: RunHeader,
  state: Gain,
  report: StepReport,
  runaway: Runaway,
  sensitivity: number,
): { findings: { found: Finding; confirm: number }[]; forecasts: GainForecast[] } {
  const transform = isBounded(header) ? (gain: number) => Math.log(Math.max(gain - 1, LEAST_EXCESS)) : Math.log;
  const { compositeGain: value } = report;
  if (value === null) return { findings: limitsOf(header).map(({ confirm }) => ({ found: null, confirm })), forecasts: [] };
  addToTrend(state.trend, report.step, transform(value));
  const rise = rateRise(state.rate, report.step, report.learningRate);
  const forecasts: GainForecast[] = [];
  const findings = limitsOf(header).map(({ threshold, severity, above, most, steadily, confirm }) => {
    const predicted = forecast(state.trend, transform(threshold));
    if (predicted === null) return { found: null, confirm };
    const { level, peak, steady, steps, interval } = predicted;
    if (forecasts.at(-1)?.threshold !== threshold) forecasts.push({ threshold, steps, interval });
    const byRate = Math.min(most, FOLLOWS * Math.max(level, 0) * rise);
    const highest = Math.max(peak + byRate - above, steadily ? steady : Number.NEGATIVE_INFINITY);
    const beyond = steps === 0 ? 0 : highest - transform(threshold) + Math.log(sensitivity);
    if (beyond < -HYSTERESIS) return { found: null, confirm };
    const suspects = suspectsOf(header, runaway);
    const passedBy = level - transform(threshold);
    const found = finding(header, report, beyond >= 0 ? 'fire' : 'hold', {
      rule: 'gain-forecast',
      severity,
      measure: 'compositeGain',
      value,
      threshold,
      stepsLeft: steps,
      interval,
      suspects,
      cause:
        byRate > Math.max(0, peak - level)
          ? { kind: 'learning-rate', figures: { rateFactor: 1 + rise, passedBy } }
          : { kind: 'gain-growth', figures: { passedBy } },
    });
    return { found, confirm };
  });
  return { findings, forecasts };
}
