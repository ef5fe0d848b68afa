/** A run that makes no step any more. The only detector that is told the time. */
import type { RunHeader } from '../../src/telemetry/sample.ts';
import { finding } from '../finding.ts';
import type { Finding } from '../latch.ts';

/**
 * Seconds without a report, times the usual distance between reports, and times the longest one that the run came back
 * from (an evaluation, a checkpoint): all must be passed.
 */
const SECONDS = 60;
const FACTOR = 20;
const LONGER = 2;
/** Of the longest distance, ms: one that is longer is no habit. */
const LONGEST = 900_000;

export interface Stall {
  /** Of the last report, ms since 1970; 0 before the first. */
  time: number;
  step: number;
  /** Smoothed distance between two reports, ms. */
  usual: number;
  /** Longest distance so far, ms. */
  longest: number;
}

export const createStall = (): Stall => ({ time: 0, step: 0, usual: 0, longest: 0 });

export function noteReport(state: Stall, step: number, time: number): void {
  if (state.time > 0) {
    const distance = Math.max(0, time - state.time);
    state.usual = state.usual === 0 ? distance : state.usual + 0.1 * (Math.min(distance, 3 * state.usual) - state.usual);
    state.longest = Math.max(state.longest, Math.min(distance, LONGEST));
  }
  state.time = time;
  state.step = step;
}

/** @param now ms since 1970 */
export function findStall(header: RunHeader, state: Stall, now: number): Finding {
  if (state.time === 0) return null;
  const value = (now - state.time) / 1000;
  const threshold = Math.max(SECONDS, (FACTOR * state.usual) / 1000, (LONGER * state.longest) / 1000);
  if (value <= threshold) return null;
  const at = { step: state.step, time: now };
  const cause = { kind: 'stall', figures: { lastStep: state.step, usualSeconds: state.usual / 1000 } } as const;
  return finding(header, at, 'fire', { rule: 'stalled', severity: 'warning', measure: 'time', value, threshold, cause });
}
