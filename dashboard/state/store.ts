/**
 * The runs, and what was loaded of them. Asks the server for what is shown (viewState.ts); what comes by itself is liveStream.ts.
 * Draws nothing.
 */
import { signal } from '@preact/signals';
import type { RunDetail, RunSummary, StepAnswer, WarningAnswer } from '../../src/telemetry/api.ts';
import type { Bands } from '../model/bands.ts';
import { isElsewhere } from '../model/outcome.ts';
import { gainMeasure, runsShown } from '../model/view.ts';
import { fault, isAbsent, reportAbsent, reportFault } from './fault.ts';
import { redraw } from './redraw.ts';
import { askLatest, askRun, askWarnings } from './requests.ts';
import { addToSeries, forgetSeries, loadedOf, type SeriesOwner, type Wanted } from './seriesCache.ts';
import { view } from './viewState.ts';

export interface RunData extends SeriesOwner {
  latest: StepAnswer | null;
  /** Oldest first. */
  warnings: WarningAnswer[];
}

/** Newest first. */
export const runs = signal<readonly RunSummary[]>([]);
/** By run. */
export const data = new Map<string, RunData>();

/** Of a run that is shown; null: not loaded yet (it will be), or there is none. */
export function dataOf(run: string | null): RunData | null {
  if (run === null) return null;
  const known = data.get(run);
  if (known !== undefined) return known;
  void loadRun(run);
  return null;
}

const loadingRuns = new Set<string>();
/** Asked for again while they were loaded. */
const staleRuns = new Set<string>();
/** As they came by the stream since it was opened, by run and id: an answer that was under way may be older. */
const streamed = new Map<string, Map<number, WarningAnswer>>();

/** Also asks again for a run that is known: what is shown of it stays until the new is there. */
async function loadRun(run: string): Promise<void> {
  if (loadingRuns.has(run)) return;
  loadingRuns.add(run);
  try {
    staleRuns.delete(run);
    const [{ detail, latest }, asked] = await Promise.all([askFacts(run), askWarnings(run)]);
    const warnings = withStreamed(run, asked);
    const known = data.get(run);
    if (known?.detail.attempt === detail.attempt) {
      const isGrown = detail.connections.length !== known.detail.connections.length;
      if (isGrown || latest?.step !== known.latest?.step) forgetSeries(known);
      if (isGrown) known.latest = latest;
      Object.assign(known.detail, detail);
      known.warnings = warnings;
      if (latest !== null && latest.step >= (known.latest?.step ?? 0)) known.latest = latest;
    } else data.set(run, { detail, latest, warnings, series: new Map() });
    // On its way while the page is built.
    bandsFor(run, gainMeasure(view.value));
    fault.value = null;
    loadingRuns.delete(run);
    if (staleRuns.delete(run)) void loadRun(run);
    redraw();
  } catch (error) {
    reportFault(run, error, () => loadingRuns.delete(run));
    if (isAbsent(error)) reportAbsent(run);
  }
}

/** Tries of `askFacts`. Our choice: connections come in the first steps of a run. */
const MAX_ASKED = 3;

/** A run and its newest step, both of the same connections: those may become more between two answers. */
async function askFacts(run: string): Promise<Pick<RunData, 'detail' | 'latest'>> {
  for (let asked = 1; ; asked++) {
    const detail = await askRun(run);
    const latest = detail.lastStep === null ? null : await askLatest(run);
    if (latest === null || isOf(detail, latest)) return { detail, latest };
    if (asked === MAX_ASKED) return { detail, latest: null };
  }
}

/** Has a step the connections of a run? Within an attempt they only become more. */
const isOf = ({ connections }: RunDetail, { nonfinite }: StepAnswer): boolean => nonfinite.length === connections.length;

/** Its connections are more by now, or more is known of them. */
export function reloadRun(run: string): void {
  if (loadingRuns.has(run)) staleRuns.add(run);
  else if (data.has(run)) void loadRun(run);
}

/** A run that was not there is there now. */
export function askAgain(run: string): void {
  loadingRuns.delete(run);
}

/** A run whose recording was deleted; what is shown of it goes, and it is not asked for again until it is there anew. */
export function forgetRun(run: string): void {
  runs.value = runs.value.filter((each) => each.run !== run);
  data.get(run)?.series.clear();
  data.delete(run);
  streamed.delete(run);
  loadingRuns.add(run);
}

/** After the stream was away: what is shown stays until the new is there. */
export function reloadAll(): void {
  streamed.clear();
  loadingRuns.clear();
  for (const [run, known] of data) {
    forgetSeries(known);
    void loadRun(run);
  }
}

/** Asks again for the shown runs that another process writes, of which the stream says nothing. */
export function reloadElsewhere(): void {
  for (const run of runsShown(view.value)) if (isElsewhere(data.get(run)?.detail ?? null)) void loadRun(run);
}

function withStreamed(run: string, asked: WarningAnswer[]): WarningAnswer[] {
  const newer = streamed.get(run) ?? new Map<number, WarningAnswer>();
  const known = asked.map((warning) => newer.get(warning.id) ?? warning);
  const more = [...newer.values()].filter(({ id }) => !asked.some((warning) => warning.id === id));
  return [...known, ...more].sort((a, b) => a.id - b.id);
}

/** From the stream, or from the answer to an acknowledgement. */
export function updateWarning(warning: WarningAnswer): void {
  const { run, id } = warning;
  streamed.set(run, (streamed.get(run) ?? new Map<number, WarningAnswer>()).set(id, warning));
  const known = data.get(run);
  if (known !== undefined) known.warnings = withStreamed(run, known.warnings);
}

/** To all that was loaded of its run; one that was there before changes nothing. */
export function addStep(known: RunData, step: StepAnswer): void {
  if (step.step <= (known.latest?.step ?? -1)) return;
  if (!isOf(known.detail, step)) {
    // Its series are asked for anew with the connections, so that it is in them.
    if (step.nonfinite.length > known.detail.connections.length) reloadRun(step.run);
    return;
  }
  known.latest = step;
  Object.assign(known.detail, { lastStep: step.step, lastTime: step.time });
  addToSeries(known, step);
}

/** A measure of all connections, or a scalar, over the shown steps; null: not there yet. */
export function bandsFor(run: string, measure: string): Bands | null {
  const known = dataOf(run);
  const wanted: Wanted = { kind: 'chart', measure, connection: null, range: null };
  return known === null ? null : loadedOf(known, wanted).bands;
}

/** A measure of one connection over the shown steps, in few points; null: not there yet. */
export const courseOf = (known: RunData, connection: string, measure: string): Bands | null =>
  loadedOf(known, { kind: 'course', measure, connection, range: null }).bands;
