/**
 * Hysteresis of one rule: when what a detector finds becomes a warning, and when the warning ends. Knows nothing of what
 * is found.
 */
import type { Warning } from '../src/telemetry/warning.ts';
import type { Finding, Found, Patience } from './detector.ts';

export interface LatchState {
  /** The warning that is up; null: none. */
  active: Warning | null;
  /** Reports in a row that fire while nothing is up, or that find nothing while a warning is. */
  streak: number;
  /** Step of the first of them. */
  since: number;
}

/** Reports that it takes at least, where not every step is watched. Our choice: one may be an accident, and so may nine quiet ones. */
const MIN_REPORTS: Patience = { confirm: 2, clear: 10 };

/** Nothing is up. */
export const createLatch = (): LatchState => ({ active: null, streak: 0, since: 0 });

/**
 * Takes what was found at a report in. @param step of the report @param raise makes the warning of what was found
 * @returns the warning that began with it, and is `active` now, or that ended with it; null: neither
 */
export function updateLatch(
  state: LatchState,
  finding: Finding,
  step: number,
  patience: Patience,
  raise: (found: Found) => Warning,
): Warning | null {
  const { active } = state;
  if (active === null ? finding?.level !== 'fire' : finding !== null) {
    state.streak = 0;
    return null;
  }
  if (state.streak++ === 0) state.since = step;
  const change = active === null ? 'confirm' : 'clear';
  const hasLasted = step - state.since + 1 >= patience[change] && state.streak >= Math.min(patience[change], MIN_REPORTS[change]);
  if (!hasLasted) return null;
  state.streak = 0;
  state.active = finding === null ? null : raise(finding.warning);
  return active ?? state.active;
}
