/** How many steps are left until a threshold, by the forecast or by a warning. Pure; the verdict on it is verdict.ts. */
import type { ForecastAnswer, StepAnswer, WarningAnswer } from '../../src/telemetry/api.ts';
import { fromWire } from './format.ts';

export interface StepsLeft {
  measure: string;
  threshold: number;
  /** Infinity: it does not come nearer. */
  steps: number;
  interval: [low: number, high: number];
}

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

/** Of the warning that is told; without one of the highest threshold of the gain. */
export function leftOf(warning: WarningAnswer | undefined, latest: StepAnswer): StepsLeft | null {
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
