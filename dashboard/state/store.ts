/**
 * The runs, and what was loaded of them. Asks the server for what is shown (viewState.ts); what comes by itself is live.ts. Draws
 * nothing.
 */
import { signal } from '@preact/signals';
import type { RunDetail, RunScalar, RunSummary, StepAnswer, WarningAnswer } from '../../src/telemetry/api.ts';
import { appendStep, type Bands, bandsOf } from '../model/series.ts';
import { isElsewhere } from '../model/verdict.ts';
import { gainMeasure } from '../model/view.ts';
import { redraw } from './redraw.ts';
import { AskError, askLatest, askRun, askSeries, askWarnings } from './requests.ts';
import { shownRange, view } from './viewState.ts';

/** Points asked for; beyond `MOST` the series is asked for again. */
const POINTS = 400;
const MOST = 600;
/** Before what could not be loaded is asked for again, ms. */
const RETRY_AFTER = 3000;

const SCALARS: readonly string[] = ['loss', 'gradientNorm', 'learningRate', 'stepSeconds', 'compositeGain'] satisfies RunScalar[];

export interface RunData {
  detail: RunDetail;
  latest: StepAnswer | null;
  /** Oldest first. */
  warnings: WarningAnswer[];
  /** By measure or scalar. */
  loaded: Map<string, Loaded>;
}

interface Loaded {
  /** The range that it was asked for, as text; '': it is to be asked for again. */
  asked: string;
  /** Does the range go on with the newest step? */
  open: boolean;
  bands: Bands | null;
  loading: boolean;
  /** Steps that came while it was loaded. */
  early: StepAnswer[];
}

/** Newest first. */
export const runs = signal<readonly RunSummary[]>([]);
/** What could not be loaded, for people; null: nothing. */
export const fault = signal<string | null>(null);
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
/** As the stream told them since it was opened, by run and id: an answer that was under way may be older. */
const told = new Map<string, Map<number, WarningAnswer>>();

/** Also asks again for a run that is known: what is shown of it stays until the new is there. */
async function loadRun(run: string): Promise<void> {
  if (loadingRuns.has(run)) return;
  loadingRuns.add(run);
  try {
    const detail = await askRun(run);
    const [latest, asked] = await Promise.all([detail.lastStep === null ? null : askLatest(run), askWarnings(run)]);
    const warnings = withTold(run, asked);
    const known = data.get(run);
    if (known?.detail.attempt === detail.attempt) {
      if (latest?.step !== known.latest?.step) forgetBands(known);
      Object.assign(known.detail, detail);
      known.warnings = warnings;
      if (latest !== null && latest.step >= (known.latest?.step ?? 0)) known.latest = latest;
    } else data.set(run, { detail, latest, warnings, loaded: new Map() });
    // On its way while the page is built.
    bandsFor(run, gainMeasure(view.value));
    fault.value = null;
    loadingRuns.delete(run);
    redraw();
  } catch (error) {
    failed(run, error, () => loadingRuns.delete(run));
    if (isAbsent(error)) sayAbsent(run);
  }
}

/** A run that was not there is there now. */
export function askAgain(run: string): void {
  loadingRuns.delete(run);
}

function forgetBands({ loaded }: RunData): void {
  for (const entry of loaded.values()) entry.asked = '';
}

/** After the stream was away: what is shown stays until the new is there. */
export function reloadAll(): void {
  told.clear();
  loadingRuns.clear();
  for (const [run, known] of data) {
    forgetBands(known);
    void loadRun(run);
  }
}

/** Asks again for the shown runs that another process writes, of which the stream says nothing. */
export function reloadElsewhere(): void {
  for (const run of new Set([view.value.run, ...view.value.compare]))
    if (run !== null && isElsewhere(data.get(run)?.detail ?? null)) void loadRun(run);
}

// ── warnings ──

function withTold(run: string, asked: WarningAnswer[]): WarningAnswer[] {
  const newer = told.get(run) ?? new Map<number, WarningAnswer>();
  const known = asked.map((warning) => newer.get(warning.id) ?? warning);
  const more = [...newer.values()].filter(({ id }) => !asked.some((warning) => warning.id === id));
  return [...known, ...more].sort((a, b) => a.id - b.id);
}

/** From the stream, or from the answer to an acknowledgement. */
export function takeWarning(warning: WarningAnswer): void {
  const { run, id } = warning;
  told.set(run, (told.get(run) ?? new Map<number, WarningAnswer>()).set(id, warning));
  const known = data.get(run);
  if (known !== undefined) known.warnings = withTold(run, known.warnings);
}

// ── series ──

/** Of a link to a run that was taken away, or that is on another server. */
export function sayAbsent(run: string): void {
  fault.value = `${run} is not among the runs here`;
}

const isAbsent = (error: unknown) => error instanceof AskError && error.status === 404;

/** Says it, and lets it be asked for again after a while, unless there is no such thing. */
function failed(run: string, error: unknown, forget: () => void): void {
  fault.value = `${run}: ${(error as Error).message}`;
  if (isAbsent(error)) return;
  window.setTimeout(() => {
    forget();
    redraw();
  }, RETRY_AFTER);
}

/** A measure of all connections, or a scalar, over the shown steps. What is there already is given until the new is. */
export function bandsFor(run: string, measure: string): Bands | null {
  const known = dataOf(run);
  if (known === null) return null;
  const { from, to, follow } = view.value;
  const asked = `${from} ${to} ${from !== null && follow}`;
  let entry = known.loaded.get(measure);
  if (entry === undefined) {
    entry = { asked: '', open: false, bands: null, loading: false, early: [] };
    known.loaded.set(measure, entry);
  }
  if (entry.asked !== asked && !entry.loading) {
    entry.asked = asked;
    void loadBands(run, known, measure, entry);
  }
  return entry.bands;
}

async function loadBands(run: string, known: RunData, measure: string, entry: Loaded): Promise<void> {
  entry.loading = true;
  entry.early = [];
  try {
    const range = shownRange(view.value, known.detail.lastStep);
    const bands = bandsOf(await askSeries(run, measure, POINTS, range));
    entry.open = range.to === null;
    if (entry.open) for (const step of entry.early) append(bands, measure, step);
    entry.bands = bands;
    fault.value = null;
  } catch (error) {
    failed(run, error, () => {
      entry.asked = '';
    });
  }
  entry.loading = false;
  redraw();
}

function append(bands: Bands, measure: string, step: StepAnswer): void {
  const values = SCALARS.includes(measure) ? [step[measure as RunScalar]] : step.measures[measure];
  if (values !== undefined) appendStep(bands, step.step, step.time, values);
}

/** To all that was loaded of its run; one that was there before changes nothing. */
export function addStep(known: RunData, step: StepAnswer): void {
  if (step.step <= (known.latest?.step ?? -1)) return;
  known.latest = step;
  known.detail.lastStep = step.step;
  known.detail.lastTime = step.time;
  for (const [measure, entry] of known.loaded) {
    if (entry.loading) entry.early.push(step);
    else if (entry.open && entry.bands !== null) {
      // Enough points: no further ones, and asked for anew, reduced, when somebody looks.
      if (entry.bands.steps.length < MOST && entry.asked !== '') append(entry.bands, measure, step);
      else entry.asked = '';
    }
  }
}
