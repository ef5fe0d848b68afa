/**
 * Hysteresis of one rule: when what a detector finds becomes a warning, and when the warning ends. Knows nothing of what
 * is found.
 */
import type { Warning } from '../src/telemetry/warning.ts';

/** What a detector sees at one step: a warning to raise, one to hold if it is up already, or nothing. */
export type Finding = { level: 'fire' | 'hold'; warning: Found } | null;

/** A warning before it is raised: the rule and its words come then. */
export type Found = Omit<Warning, 'rule' | 'runbook' | 'message'>;

export interface LatchState {
  active: Warning | null;
  /** Reports that fire while nothing is up. */
  fired: StreakState;
  /** Reports that find nothing while a warning is up. */
  quiet: StreakState;
}

/** Reports in a row, and the step of the first of them. */
interface StreakState {
  reports: number;
  since: number;
}

/** Steps that must fire in a row before a warning is raised, and that must find nothing before it ends; 1: at once. */
export interface Patience {
  confirm: number;
  clear: number;
}

/** Reports that it takes at least, where not every step is watched. Our choice: one may be an accident, and so may nine quiet ones. */
const MIN_REPORTS: Patience = { confirm: 2, clear: 10 };

const noStreak = (): StreakState => ({ reports: 0, since: 0 });

/** Nothing is up. */
export const createLatch = (): LatchState => ({ active: null, fired: noStreak(), quiet: noStreak() });

export interface LatchChange {
  raised: Warning | null;
  cleared: Warning | null;
}

/**
 * Takes what was found at a report in. @param step of the report @param raise makes the warning of what was found
 * @returns the warning that began or ended with it
 */
export function updateLatch(
  state: LatchState,
  finding: Finding,
  step: number,
  { confirm, clear }: Patience,
  raise: (found: Found) => Warning,
): LatchChange {
  const { active } = state;
  const fires = finding?.level === 'fire' && active === null;
  const isQuiet = finding === null && active !== null;
  if (fires) addToStreak(state.fired, step);
  else state.fired = noStreak();
  if (isQuiet) addToStreak(state.quiet, step);
  else state.quiet = noStreak();
  if (isQuiet && hasLasted(state.quiet, step, clear, MIN_REPORTS.clear)) {
    state.active = null;
    state.quiet = noStreak();
    return { raised: null, cleared: active };
  }
  if (fires && hasLasted(state.fired, step, confirm, MIN_REPORTS.confirm)) {
    state.active = raise(finding.warning);
    state.fired = noStreak();
    return { raised: state.active, cleared: null };
  }
  return { raised: null, cleared: null };
}

function addToStreak(state: StreakState, step: number): void {
  if (state.reports === 0) state.since = step;
  state.reports++;
}

/** Has it lasted so many steps, and reports? */
const hasLasted = ({ reports, since }: StreakState, step: number, steps: number, least: number): boolean =>
  step - since + 1 >= steps && reports >= Math.min(steps, least);
