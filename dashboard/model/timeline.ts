/** Where the bars of the warnings lie: a group of lanes for each rule, so that bars do not cover each other. Pure; draws nothing. */
import type { WarningAnswer } from '../../src/telemetry/api.ts';
import type { RuleName, Severity } from '../../src/telemetry/warning.ts';
import { type StepAxis, stepPixel } from './ticks.ts';

export interface Bar {
  warning: WarningAnswer;
  x: number;
  width: number;
  /** Counted over all rules. */
  lane: number;
}

export interface Row {
  rule: RuleName;
  firstLane: number;
  lanes: number;
}

/** A bar is at least as wide as its sign, px. */
const MIN_WIDTH = 14;
/** For each rule. Our choice: what overlaps more is as good as one bar. */
const MAX_LANES = 4;

/** Where it ended; the newest step where it holds, or ended with the run. */
export const endOfWarning = (warning: Pick<WarningAnswer, 'step' | 'clearedStep'>, lastStep: number): number =>
  warning.clearedStep ?? Math.max(warning.step, lastStep);

/** Longest first where they begin together, so that a short one is not hidden for good. */
export function barsOf(warnings: readonly WarningAnswer[], axis: StepAxis, lastStep: number): { rows: Row[]; bars: Bar[]; lanes: number } {
  const rows: Row[] = [];
  const bars: Bar[] = [];
  let lanes = 0;
  for (const rule of new Set(warnings.map((warning) => warning.rule))) {
    const inside = warnings
      .filter((w) => w.rule === rule && w.step <= axis.to && endOfWarning(w, lastStep) >= axis.from)
      .sort((a, b) => a.step - b.step || endOfWarning(b, lastStep) - endOfWarning(a, lastStep));
    /** Right end of the last bar of each lane. */
    const ends: number[] = [];
    for (const warning of inside) {
      const x = Math.max(0, stepPixel(axis, warning.step));
      const end = Math.min(axis.width, stepPixel(axis, endOfWarning(warning, lastStep)));
      const right = Math.max(x + MIN_WIDTH, end);
      const free = ends.findIndex((used) => used <= x);
      const lane = free >= 0 ? free : ends.length < MAX_LANES ? ends.length : -1;
      // No lane is free: what would hardly show beyond the bar that is there is left out, the list has it.
      if (lane < 0 && right < ends[MAX_LANES - 1] + MIN_WIDTH) continue;
      const taken = lane < 0 ? MAX_LANES - 1 : lane;
      ends[taken] = right;
      bars.push({ warning, x: Math.min(x, axis.width - MIN_WIDTH), width: Math.max(MIN_WIDTH, end - x), lane: lanes + taken });
    }
    if (ends.length === 0) continue;
    rows.push({ rule, firstLane: lanes, lanes: ends.length });
    lanes += ends.length;
  }
  return { rows, bars, lanes };
}

/** By severity, how many. */
export function countsOf(warnings: readonly WarningAnswer[]): Record<Severity, number> {
  const counts = { info: 0, warning: 0, critical: 0 };
  for (const { severity } of warnings) counts[severity]++;
  return counts;
}
