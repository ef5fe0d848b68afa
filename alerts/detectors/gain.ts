/**
 * The forecast of the composite gain G: will it reach a limit, and when? Where connections are free (HC) the limits are 100
 * and 1000 and ln G is forecast, as a product over the depth grows exponentially. Where all are mHC, G is the gain in the
 * direction that Sinkhorn leaves inexact, at most n: the limit is n / 2 and ln(G − 1) is forecast.
 */
import type { StepReport } from '../../src/telemetry/report.ts';
import type { RunHeader } from '../../src/telemetry/sample.ts';
import type { Severity } from '../../src/telemetry/warning.ts';
import { digits, finding, isBounded, span } from '../finding.ts';
import type { Finding } from '../latch.ts';
import { addToTrend, createTrend, forecast, type Trend } from '../trend.ts';
import { type Runaway, suspectsOf } from './runaway.ts';

/** How far above the limit the highest forecast must be, in ln; less ln(sensitivity). Chosen by `npm run eval`. */
const ABOVE = 0.7;
/** How far below that it must fall for the warning to end, in ln. */
const HYSTERESIS = 1.5;
/** Of G − 1: a healthy mHC model has as much. */
const LEAST_EXCESS = 0.1;

export interface GainForecast {
  threshold: number;
  /** Training steps until G reaches it; 0: it has; Infinity: it is not rising. */
  steps: number;
  /** Holds the steps nine times in ten. */
  interval: [low: number, high: number];
}

export type Gain = Trend;
export const createGain: () => Gain = createTrend;

export function limitsOf(header: RunHeader): { threshold: number; severity: Severity }[] {
  if (!isBounded(header)) {
    return [
      { threshold: 100, severity: 'warning' },
      { threshold: 1000, severity: 'critical' },
    ];
  }
  return header.streams > 2 ? [{ threshold: header.streams / 2, severity: 'critical' }] : [];
}

/** @returns one finding and one forecast for each of `limitsOf(header)`; no forecast before there are enough steps */
export function findGain(
  header: RunHeader,
  state: Gain,
  report: StepReport,
  runaway: Runaway,
  sensitivity: number,
): { findings: Finding[]; forecasts: GainForecast[] } {
  const transform = isBounded(header) ? (gain: number) => Math.log(Math.max(gain - 1, LEAST_EXCESS)) : Math.log;
  const { compositeGain: value } = report;
  addToTrend(state, report.step, transform(value));
  const forecasts: GainForecast[] = [];
  const findings = limitsOf(header).map(({ threshold, severity }): Finding => {
    const predicted = forecast(state, transform(threshold));
    if (predicted === null) return null;
    const { peak, steady, steps, interval } = predicted;
    forecasts.push({ threshold, steps, interval });
    const above = Math.max(peak - ABOVE, steady) - transform(threshold) + Math.log(sensitivity);
    if (above < -HYSTERESIS) return null;
    const suspects = suspectsOf(header, runaway);
    const when = steps === 0 ? `has reached ${threshold}` : `is forecast to reach ${threshold} ${span(steps, interval)}`;
    const { name } = header.connections[suspects[0]];
    return finding(header, report, above >= 0 ? 'fire' : 'hold', {
      rule: 'gain-forecast',
      severity,
      measure: 'compositeGain',
      value,
      threshold,
      stepsLeft: steps,
      interval,
      suspects,
      message: `The composite gain of run ${header.run} is ${digits(value)} and ${when}; ${name} grows most.`,
    });
  });
  return { findings, forecasts };
}
