/**
 * All detectors of a run: each report goes in once, warnings come out. Deterministic, without clock, file or device: the
 * state is plain data that `JSON.stringify` keeps.
 */
import type { StepReport } from '../src/telemetry/report.ts';
import type { RunHeader } from '../src/telemetry/sample.ts';
import type { Warning } from './warning.ts';

export interface DetectorState {
  /** Of the last report; 0 before the first. */
  step: number;
  /** Warnings that hold at the moment. */
  active: Warning[];
  /** Steps until the composite gain reaches a threshold, by threshold; Infinity where none is near. */
  forecast: { threshold: number; steps: number }[];
}

/** What changed with one report. */
export interface Detection {
  raised: Warning[];
  cleared: Warning[];
}

export function createDetectors(_header: RunHeader): DetectorState {
  return { step: 0, active: [], forecast: [] };
}

/** Takes the next report in, in order. Changes `state`. */
export function detect(_header: RunHeader, state: DetectorState, report: StepReport): Detection {
  state.step = report.step;
  return { raised: [], cleared: [] };
}

/** The one detector that needs a clock: has the run made no step for long? @param now milliseconds since 1970 */
export function detectStall(_header: RunHeader, _state: DetectorState, _now: number): Detection {
  return { raised: [], cleared: [] };
}

/** For a file: the state as text. */
export const saveDetectors = (state: DetectorState): string => JSON.stringify(state);

/** @returns null where the text is none of a state for this run (other connections, another version) */
export function restoreDetectors(_header: RunHeader, text: string): DetectorState | null {
  return JSON.parse(text) as DetectorState;
}
