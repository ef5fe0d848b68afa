/**
 * Hysteresis of one rule: when what a detector finds becomes a warning, and when the warning ends. Knows nothing of what
 * is found.
 */
import type { Warning } from '../src/telemetry/warning.ts';

/** What a detector sees at one step: a warning to raise, one to hold if it is up already, or nothing. */
export type Finding = { level: 'fire' | 'hold'; warning: Warning } | null;

export interface Latch {
  active: Warning | null;
  /** Reports that fire while nothing is up. */
  fired: Streak;
  /** Reports that find nothing while a warning is up. */
  quiet: Streak;
}

/** Reports in a row, and the step of the first of them. */
interface Streak {
  reports: number;
  since: number;
}

/** Steps that must fire in a row before a warning is raised, and that must find nothing before it ends; 1: at once. */
export interface Patience {
  confirm: number;
  clear: number;
}

/** Reports that it takes at least, where not every step is watched. */
const LEAST = { confirm: 2, clear: 10 };

const none = (): Streak => ({ reports: 0, since: 0 });
export const createLatch = (): Latch => ({ active: null, fired: none(), quiet: none() });

/** @param step of the report */
export function latch(
  state: Latch,
  finding: Finding,
  step: number,
  { confirm, clear }: Patience,
): { raised: Warning | null; cleared: Warning | null } {
  const { active } = state;
  if (finding?.level !== 'fire' || active !== null) state.fired = none();
  if (finding !== null || active === null) state.quiet = none();
  if (finding === null && active !== null && lasts(state.quiet, step, clear, LEAST.clear)) {
    state.active = null;
    state.quiet = none();
    return { raised: null, cleared: active };
  }
  if (finding?.level === 'fire' && active === null && lasts(state.fired, step, confirm, LEAST.confirm)) {
    state.active = finding.warning;
    state.fired = none();
    return { raised: finding.warning, cleared: null };
  }
  return { raised: null, cleared: null };
}

/** Takes one more report in. Has the streak lasted so many steps, and reports? */
function lasts(streak: Streak, step: number, steps: number, reports: number): boolean {
  if (streak.reports === 0) streak.since = step;
  streak.reports++;
  return step - streak.since + 1 >= steps && streak.reports >= Math.min(steps, reports);
}
