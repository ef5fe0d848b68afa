/**
 * All that the page knows: the view, the runs, and what was loaded of them. Asks the server for what is shown; what comes by
 * itself is live.ts. Draws nothing.
 */
import { signal } from '@preact/signals';
import type { RunDetail, RunScalar, RunSummary, StepAnswer, WarningAnswer } from '../src/telemetry/api.ts';
import { askLatest, askRun, askSeries, askWarnings, type Range } from './api.ts';
import { fromWire } from './format.ts';
import { redraw } from './redraw.ts';
import { appendStep, type Bands, bandsOf } from './series.ts';
import { gainMeasure, readView, type View, writeView } from './view.ts';

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
  /** The range that it was asked for, as text. */
  asked: string;
  bands: Bands | null;
  loading: boolean;
  /** Steps that came while it was loaded. */
  early: StepAnswer[];
}

export const view = signal<View>(readView(location.hash));
/** Newest first. */
export const runs = signal<readonly RunSummary[]>([]);
/** What could not be loaded, for people; null: nothing. */
export const fault = signal<string | null>(null);
/** By run. */
export const data = new Map<string, RunData>();

// ── the view ──

/** Changes the view and the address; `redraw` follows by itself. */
export function change(patch: Partial<View>): void {
  view.value = { ...view.value, ...patch };
  history.replaceState(null, '', `#${writeView(view.value)}`);
}

/** The steps that are shown. Where the newest is followed, the right end is open. */
export function shownRange({ from, to, follow }: View, lastStep: number | null): Range {
  if (from === null) return { from: null, to: null };
  if (follow && lastStep !== null) return { from: Math.max(0, lastStep - ((to ?? lastStep) - from)), to: null };
  return { from, to };
}

/** Makes it the run that all panels are about. */
export function choose(run: string): void {
  const { compare } = view.value;
  change({ run, compare: compare.filter((other) => other !== run), open: null, from: null, to: null, follow: true });
}

// ── what is loaded ──

/** Of a run that is shown; null: not loaded yet (it will be), or there is none. */
export function dataOf(run: string | null): RunData | null {
  if (run === null) return null;
  const known = data.get(run);
  if (known !== undefined) return known;
  void loadRun(run);
  return null;
}

const loadingRuns = new Set<string>();

async function loadRun(run: string): Promise<void> {
  if (loadingRuns.has(run)) return;
  loadingRuns.add(run);
  try {
    const detail = await askRun(run);
    const [latest, warnings] = await Promise.all([detail.lastStep === null ? null : askLatest(run), askWarnings(run)]);
    data.set(run, { detail, latest, warnings, loaded: new Map() });
    // On its way while the page is built.
    bandsFor(run, gainMeasure(view.value));
    fault.value = null;
    loadingRuns.delete(run);
    redraw();
  } catch (error) {
    failed(run, error, () => loadingRuns.delete(run));
  }
}

/** Says it, and lets it be asked for again after a while. */
function failed(run: string, error: unknown, forget: () => void): void {
  fault.value = `${run}: ${(error as Error).message}`;
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
    entry = { asked: '', bands: null, loading: false, early: [] };
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
    if (range.to === null) for (const step of entry.early) append(bands, measure, step);
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
  if (values !== undefined) appendStep(bands, step.step, step.time, values.map(fromWire));
}

/** To all that was loaded of its run. */
export function addStep(known: RunData, step: StepAnswer): void {
  known.latest = step;
  known.detail.lastStep = step.step;
  known.detail.lastTime = step.time;
  const open = shownRange(view.value, step.step).to === null;
  for (const [measure, entry] of known.loaded) {
    if (entry.loading) entry.early.push(step);
    else if (open && entry.bands !== null) {
      append(entry.bands, measure, step);
      if (entry.bands.steps.length > MOST) entry.asked = '';
    }
  }
}
