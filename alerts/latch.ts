/**
 * Hysteresis of one rule: when what a detector finds becomes a warning, and when the warning ends. Knows nothing of what
 * is found.
 */
import type { Warning } from '../src/telemetry/warning.ts';

/** What a detector sees at one step: a warning to raise, one to hold if it is up already, or nothing. */
export type Finding = { level: 'fire' | 'hold'; warning: Warning } | null;

export interface Latch {
  active: Warning | null;
  /** Consecutive reports that fired while nothing was up. */
  fired: number;
  /** Consecutive reports that found nothing while a warning is up. */
  quiet: number;
}

export const createLatch = (): Latch => ({ active: null, fired: 0, quiet: 0 });

/**
 * @param confirm reports in a row that must fire before a warning is raised; 1: at once
 * @param clear reports in a row that must find nothing before it ends
 */
export function latch(state: Latch, finding: Finding, confirm: number, clear: number): { raised: Warning | null; cleared: Warning | null } {
  const before = state.active;
  if (finding === null) {
    state.fired = 0;
    if (before === null) return { raised: null, cleared: null };
    state.quiet++;
    if (state.quiet < clear) return { raised: null, cleared: null };
    state.active = null;
    state.quiet = 0;
    return { raised: null, cleared: before };
  }
  state.quiet = 0;
  if (finding.level === 'hold') {
    state.fired = 0;
    return { raised: null, cleared: null };
  }
  state.fired++;
  if (state.fired < confirm || before !== null) return { raised: null, cleared: null };
  state.active = finding.warning;
  return { raised: finding.warning, cleared: null };
}
