/**
 * Collapse of the streams of an mHC model into one: the separation of the composite is forecast to reach 0, or a row or
 * column of one H_res has lost most of its mass.
 */
import type { StepReport } from '../../src/telemetry/report.ts';
import type { RunHeader } from '../../src/telemetry/sample.ts';
import { finding, measureOf } from '../finding.ts';
import type { Finding } from '../latch.ts';
import { isBounded, MIN_SEPARATION, MIN_SUM, MIN_SUM_CLEAR } from '../limits.ts';
import { type Recent, runningMedian } from '../smoothing.ts';
import { addToTrend, createTrend, forecast, type Trend } from '../trend.ts';
import { type Runaway, suspectsOf } from './runaway.ts';

/**
 * How near to that the forecast must come, in ln, and how far it must go away again for the warning to end. Chosen on the
 * tuning half of the corpus.
 */
const NEAR = 0.8;
const HYSTERESIS = 0.7;
/** Points of the median of the smallest sum. */
const MEDIAN = 5;

export interface Collapse {
  /** Of −ln(separation), the smallest of all prefix products. */
  trend: Trend;
  /** The streams have been apart: a model that starts with even mixing has lost nothing, and is no emergency. */
  apart: boolean;
  /** Smallest sums of the last reports. */
  sums: Recent;
}

export const createCollapse = (): Collapse => ({ trend: createTrend(), apart: false, sums: [] });

export function findCollapse(header: RunHeader, state: Collapse, report: StepReport, runaway: Runaway): Finding {
  if (!isBounded(header) || header.streams < 2) return null;
  const lowSum = findLowSum(header, state, report);
  const separation = findSeparation(header, state, report, runaway);
  return lowSum?.level !== 'fire' && separation?.level === 'fire' ? separation : (lowSum ?? separation);
}

function findSeparation(header: RunHeader, state: Collapse, report: StepReport, runaway: Runaway): Finding {
  const { trend } = state;
  const value = leastOf(header, report, ['separation']).value;
  state.apart ||= Number.isFinite(value) && value >= MIN_SEPARATION;
  addToTrend(trend, report.step, -Math.log(Math.max(value, 1e-3)));
  const limit = -Math.log(MIN_SEPARATION);
  const predicted = forecast(trend, limit);
  if (predicted === null) return null;
  const { level, peak, steady, steps, interval } = predicted;
  const beyond = Math.max(peak + NEAR, steady) - limit;
  if (beyond < -HYSTERESIS) return null;
  return finding(header, report, beyond >= 0 ? 'fire' : 'hold', {
    rule: 'collapse',
    severity: state.apart ? 'critical' : 'warning',
    measure: 'separation',
    value,
    threshold: MIN_SEPARATION,
    stepsLeft: steps,
    interval,
    suspects: suspectsOf(header, runaway),
    cause: state.apart ? { kind: 'collapse', figures: { passedBy: level - limit } } : { kind: 'collapsed-start', figures: {} },
  });
}

function findLowSum(header: RunHeader, { sums }: Collapse, report: StepReport): Finding {
  const least = leastOf(header, report, ['rowSumMin', 'columnSumMin']);
  if (!Number.isFinite(least.value)) return null;
  const value = runningMedian(sums, least.value, MEDIAN);
  if (value >= MIN_SUM_CLEAR) return null;
  return finding(header, report, value < MIN_SUM ? 'fire' : 'hold', {
    rule: 'collapse',
    severity: 'critical',
    measure: least.measure,
    value,
    threshold: MIN_SUM,
    suspects: [least.connection],
    cause: { kind: 'lost-mass', figures: {} },
  });
}

type Sum = 'separation' | 'rowSumMin' | 'columnSumMin';

/** The smallest value of the measures over the connections; Infinity where none is defined. */
function leastOf(header: RunHeader, report: StepReport, measures: Sum[]): { value: number; connection: number; measure: Sum } {
  let least = { value: Number.POSITIVE_INFINITY, connection: 0, measure: measures[0] };
  for (const measure of measures) {
    for (let l = 0; l < header.connections.length; l++) {
      const value = measureOf(header, report, measure, l);
      if (value < least.value) least = { value, connection: l, measure };
    }
  }
  return least;
}
