/** How many steps are left until a limit: of a run by its forecast or a warning, of one line by its slope. Pure. */
import type { ForecastAnswer, RunLimits, StepAnswer, WarningAnswer } from '../../src/telemetry/api.ts';
import { fromWire } from '../../src/telemetry/wire.ts';
import type { Value } from './bands.ts';

export interface StepsLeft {
  measure: string;
  threshold: number;
  /** Infinity: it does not come nearer. */
  steps: number;
  interval: [low: number, high: number];
}

/** The newest forecast of the composite gain for a threshold; null: there is none. */
export function forecastOf(latest: StepAnswer | null, threshold: number): StepsLeft | null {
  const found = (latest?.forecast ?? []).find((forecast) => forecast.threshold === threshold);
  return found === undefined ? null : stepsOf(found);
}

const stepsOf = ({ threshold, steps, interval }: ForecastAnswer): StepsLeft => ({
  measure: 'compositeGain',
  threshold,
  steps: fromWire(steps),
  interval: [fromWire(interval[0]), fromWire(interval[1])],
});

/** Of the warning that the verdict is about; without one of the highest threshold of the gain. */
export function stepsLeftOf(warning: WarningAnswer | undefined, latest: StepAnswer): StepsLeft | null {
  if (warning === undefined || (warning.rule !== 'gain-forecast' && warning.stepsLeft === null)) {
    const all = [...(latest.forecast ?? [])].sort((a, b) => b.threshold - a.threshold);
    return all.length === 0 ? null : stepsOf(all[0]);
  }
  const { measure, threshold, stepsLeft, interval } = warning;
  const now = warning.rule === 'gain-forecast' ? forecastOf(latest, threshold) : null;
  if (now !== null) return now;
  // Forecast once, when it was raised: less what has passed since, for as long as something is left.
  const passed = latest.step - warning.step;
  if (stepsLeft === null || passed < 0 || stepsLeft <= passed) return null;
  const [low, high] = interval ?? [stepsLeft, stepsLeft];
  return {
    measure,
    threshold,
    steps: stepsLeft - passed,
    interval: [Math.max(0, low - passed), (high ?? Number.POSITIVE_INFINITY) - passed],
  };
}

/** The composite gain at which a run is as good as lost; Infinity: its gain has no limit to reach. */
export const lastLimit = ({ gain }: RunLimits): number => gain.at(-1) ?? Number.POSITIVE_INFINITY;

/** Points that a slope is taken over. Our choice: enough to outlast noise, few enough to follow a turn. */
const SLOPE_POINTS = 20;

/** Steps that a line through the last points of ln(value) needs to `limit`; 0: it is there; Infinity: it does not rise. */
export function stepsLeft(steps: readonly number[], values: readonly Value[], limit: number): number {
  let [n, x, y, xx, xy] = [0, 0, 0, 0, 0];
  const last = steps.at(-1) ?? 0;
  for (let i = Math.max(0, values.length - SLOPE_POINTS); i < values.length; i++) {
    const ln = Math.log(values[i] ?? Number.NaN);
    if (!Number.isFinite(ln)) continue;
    const dx = steps[i] - last;
    n++;
    x += dx;
    y += ln;
    xx += dx * dx;
    xy += dx * ln;
  }
  const slope = (n * xy - x * y) / (n * xx - x * x);
  const level = (y - slope * x) / n;
  if (!(n > 1)) return Number.POSITIVE_INFINITY;
  const distance = Math.log(limit) - level;
  if (distance <= 0) return 0;
  return slope > 0 ? distance / slope : Number.POSITIVE_INFINITY;
}
