/** What gainwatch's detectors say of a recorded run. Nothing is scored here. */
import { createDetectors, detect } from '../../alerts/detect.ts';
import { boundedGain, MAX_GAIN, MAX_GAIN_CRITICAL } from '../../alerts/limits.ts';
import type { GainForecast } from '../../alerts/shared.ts';
import type { Warning } from '../../src/telemetry/warning.ts';
import type { EventName } from './events.ts';
import type { Series } from './series.ts';

export interface Replay {
  /** All that were raised, oldest first. */
  warnings: Warning[];
  /** Forecast of the steps left to G = 1000 and its interval, at each step asked for; null: there was none. */
  forecasts: (GainForecast | null)[];
}

/** @param asked steps (from 1) at which the forecast is wanted */
export function replay(series: Series, sensitivity: number, asked: readonly number[] = []): Replay {
  const state = createDetectors(series.header, { sensitivity });
  const warnings: Warning[] = [];
  const forecasts = asked.map((): GainForecast | null => null);
  for (let i = 0; i < series.steps; i++) {
    warnings.push(...detect(series.header, state, series.reportAt(i)).raised);
    const k = asked.indexOf(i + 1);
    if (k >= 0) forecasts[k] = state.forecast.find(({ threshold }) => threshold === MAX_GAIN_CRITICAL) ?? null;
  }
  return { warnings, forecasts };
}

/** Does a warning speak of the event? */
const SPEAKS: Record<EventName, (warning: Warning, streams: number) => boolean> = {
  'gain 1000': ({ rule, threshold }) => rule === 'gain-forecast' && threshold === MAX_GAIN_CRITICAL,
  'gain 100': ({ rule, threshold }) => rule === 'gain-forecast' && threshold === MAX_GAIN,
  'loss not finite': ({ rule, severity }) => rule !== 'nonfinite' && severity === 'critical',
  'mHC gain n/2': ({ rule, threshold }, streams) => rule === 'gain-forecast' && threshold === boundedGain(streams),
  'mHC separation 0.05': ({ rule }) => rule === 'collapse',
};

/** The warnings that speak of an event: all of them, or the certain ones only. @returns their steps, rising */
export function alarmsFor(event: EventName, { header }: Series, warnings: readonly Warning[], certain: boolean): number[] {
  const counted = warnings.filter(({ severity }) => !certain || severity === 'critical');
  return counted.filter((warning) => SPEAKS[event](warning, header.streams)).map(({ step }) => step);
}

/** Is the disturbed connection among the suspects of the first warning after the disturbance? null: no warning named one. */
export function namesDisturbed({ spec, header }: Series, warnings: readonly Warning[]): boolean | null {
  const { disturbance } = spec;
  if (disturbance === undefined) return null;
  const first = warnings.find(({ step, suspects }) => step >= disturbance.step && suspects.length > 0);
  return first === undefined ? null : first.suspects.includes(header.connections[disturbance.connection].name);
}
