/**
 * How many warnings hold in each run, also in those of which nothing else is loaded. Asks the server for one run after the
 * other: again after a while where the run goes on, again where it has changed.
 */
import type { RunSummary } from '../src/telemetry/api.ts';
import { askWarnings } from './api.ts';
import { dataOf, redraw, view } from './store.ts';

/** Between two questions about a live run, ms. */
const AGAIN_AFTER = 15_000;

interface Counted {
  /** The state of the run that was asked about, as text. */
  state: string;
  at: number;
  active: number | null;
}

const counted = new Map<string, Counted>();
let asking = false;

const isNews = (warning: { active: boolean; severity: string }): boolean => warning.active && warning.severity !== 'info';

/** null: not known yet. What is shown in the charts is loaded already. */
export function activeIn({ run }: RunSummary): number | null {
  const { run: main, compare } = view.peek();
  const loaded = run === main || compare.includes(run) ? dataOf(run) : null;
  return loaded === null ? (counted.get(run)?.active ?? null) : loaded.warnings.filter(isNews).length;
}

const stateOf = ({ attempt, outcome, live }: RunSummary): string => `${attempt} ${outcome} ${live}`;

function isDue(summary: RunSummary): boolean {
  const { run: main, compare } = view.peek();
  if (summary.run === main || compare.includes(summary.run)) return false;
  const known = counted.get(summary.run);
  return known === undefined || known.state !== stateOf(summary) || (summary.live && Date.now() - known.at > AGAIN_AFTER);
}

/** Call it with each redraw; it does one thing at a time. */
export async function countActive(runs: readonly RunSummary[]): Promise<void> {
  if (asking || document.hidden) return;
  asking = true;
  for (const summary of runs.filter(isDue)) {
    let active: number | null = null;
    try {
      active = (await askWarnings(summary.run)).filter(isNews).length;
    } catch {
      // The table has a dash then; a lost connection is said elsewhere.
    }
    counted.set(summary.run, { state: stateOf(summary), at: Date.now(), active });
    redraw();
  }
  asking = false;
}
