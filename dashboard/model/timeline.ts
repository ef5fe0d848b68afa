/** Where the bars of the warnings lie: a group of lanes for each rule, so that bars do not cover each other. Pure; draws nothing. */
import type { WarningAnswer } from '../../src/telemetry/api.ts';
import type { RuleName, Severity } from '../../src/telemetry/warning.ts';

interface Axis {
  /** Steps. */
  from: number;
  to: number;
  /** Pixels. */
  width: number;
}

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

/** A bar is at least as wide as its sign. */
const LEAST = 14;
const LANES = 4;

export const placeOf = ({ from, to, width }: Axis, step: number): number => ((step - from) / Math.max(1, to - from)) * width;

/** Where it ended; the newest step where it holds, or ended with the run. */
export const endOfWarning = (warning: Pick<WarningAnswer, 'step' | 'clearedStep'>, lastStep: number): number =>
  warning.clearedStep ?? Math.max(warning.step, lastStep);

/** Longest first where they begin together, so that a short one is not hidden for good. */
export function barsOf(warnings: readonly WarningAnswer[], axis: Axis, lastStep: number): { rows: Row[]; bars: Bar[]; lanes: number } {
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
      const x = Math.max(0, placeOf(axis, warning.step));
      const end = Math.min(axis.width, placeOf(axis, endOfWarning(warning, lastStep)));
      const right = Math.max(x + LEAST, end);
      const free = ends.findIndex((used) => used <= x);
      const lane = free >= 0 ? free : ends.length < LANES ? ends.length : -1;
      // No lane is free: what would hardly show beyond the bar that is there is left out, the list has it.
      if (lane < 0 && right < ends[LANES - 1] + LEAST) continue;
      const taken = lane < 0 ? LANES - 1 : lane;
      ends[taken] = right;
      bars.push({ warning, x: Math.min(x, axis.width - LEAST), width: Math.max(LEAST, end - x), lane: lanes + taken });
    }
    if (ends.length === 0) continue;
    rows.push({ rule, firstLane: lanes, lanes: ends.length });
    lanes += ends.length;
  }
  return { rows, bars, lanes };
}

/** Round steps, about `count` of them. */
export function ticksOf({ from, to }: Axis, count: number): number[] {
  const rough = Math.max(1, (to - from) / count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10);
  const ticks: number[] = [];
  for (let tick = Math.ceil(from / step) * step; tick <= to; tick += step) ticks.push(tick);
  return ticks;
}

/** By severity, how many. */
export function countsOf(warnings: readonly WarningAnswer[]): Record<Severity, number> {
  const counts = { info: 0, warning: 0, critical: 0 };
  for (const { severity } of warnings) counts[severity]++;
  return counts;
}
