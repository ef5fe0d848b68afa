/** How a run ended, or that nobody knows, in words. Pure. */
import type { RunDetail } from '../../src/telemetry/api.ts';
import type { Outcome } from '../../src/telemetry/report.ts';

type Ended = Pick<RunDetail, 'live' | 'outcome' | 'uploaded'>;

/** In a table, and behind "the run". */
const ENDS: Record<Outcome, { word: string; clause: string }> = {
  completed: { word: 'completed', clause: 'completed' },
  interrupted: { word: 'interrupted', clause: 'was interrupted' },
  failed: { word: 'failed', clause: 'failed with an error of the training' },
  unknown: { word: 'end not known', clause: 'ended without saying how' },
};

/** What follows "the run"; null: it goes on, or nobody knows. */
export function endOf(run: Pick<Ended, 'outcome' | 'uploaded'> | null): string | null {
  if (run === null) return null;
  if (run.outcome !== null) return ENDS[run.outcome].clause;
  return run.uploaded ? 'was uploaded without its end' : null;
}

/** A word or two for the table of runs. */
export function stateWords({ live, outcome, uploaded }: Ended): string {
  if (uploaded && !live && outcome === null) return 'uploaded without its end';
  const state = live ? 'live' : outcome === null ? 'written elsewhere' : ENDS[outcome].word;
  return uploaded ? `${state}, uploaded` : state;
}

/** Another process writes it, or it was never closed. */
export const isElsewhere = (run: Ended | null): boolean => run !== null && !run.live && !run.uploaded && run.outcome === null;
