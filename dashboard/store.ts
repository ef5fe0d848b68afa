/**
 * All that the page knows: the view, the runs, and what was loaded of them. Asks the server, takes the stream in, and says
 * when to draw again. Draws nothing.
 */
import { signal } from '@preact/signals';
import type { RunDetail, RunScalar, RunSummary, StepAnswer, WarningAnswer } from '../src/telemetry/api.ts';
import { askLatest, askRun, askRuns, askSeries, askWarnings, type Range } from './api.ts';
import { fromWire } from './format.ts';
import { appendStep, type Bands, bandsOf } from './series.ts';
import { readView, type View, writeView } from './view.ts';

/** Points asked for; beyond twice as many the series is asked for again. */
const POINTS = 400;
/** Between two redraws, ms. */
const REDRAW_EVERY = 250;

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
/** To the server; `since`: milliseconds since 1970 of the last change. */
export const link = signal({ connected: true, since: Date.now() });
/** What could not be loaded, for people; null: nothing. */
export const fault = signal<string | null>(null);
/** Rises when something is to be drawn again: at most four times a second, never in a hidden tab. */
export const tick = signal(0);
const data = new Map<string, RunData>();

// ── when to draw ──

let scheduled: number | null = null;
let drawnAt = 0;

export function redraw(): void {
  if (scheduled !== null || document.hidden) return;
  const wait = Math.max(0, REDRAW_EVERY - (performance.now() - drawnAt));
  scheduled = window.setTimeout(() => {
    scheduled = null;
    drawnAt = performance.now();
    tick.value++;
  }, wait);
}

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
    fault.value = null;
  } catch (error) {
    fault.value = `${run}: ${(error as Error).message}`;
  } finally {
    loadingRuns.delete(run);
  }
  redraw();
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
  } catch (error) {
    fault.value = `${run}: ${(error as Error).message}`;
  }
  entry.loading = false;
  redraw();
}

function append(bands: Bands, measure: string, step: StepAnswer): void {
  const values = SCALARS.includes(measure) ? [step[measure as RunScalar]] : step.measures[measure];
  if (values !== undefined) appendStep(bands, step.step, step.time, values.map(fromWire));
}

// ── the stream ──

function takeStep(step: StepAnswer): void {
  const known = data.get(step.run);
  runs.value = runs.value.map((summary) =>
    summary.run !== step.run
      ? summary
      : {
          ...summary,
          lastStep: step.step,
          lastTime: step.time,
          lastLoss: step.loss,
          lastCompositeGain: step.compositeGain,
          maxCompositeGain:
            summary.maxCompositeGain === null || fromWire(step.compositeGain) > fromWire(summary.maxCompositeGain)
              ? step.compositeGain
              : summary.maxCompositeGain,
        },
  );
  if (known === undefined) return;
  if (step.attempt !== known.detail.attempt) {
    data.delete(step.run);
    redraw();
    return;
  }
  known.latest = step;
  known.detail.lastStep = step.step;
  known.detail.lastTime = step.time;
  const open = shownRange(view.value, step.step).to === null;
  for (const [measure, entry] of known.loaded) {
    if (entry.loading) entry.early.push(step);
    else if (open && entry.bands !== null) {
      append(entry.bands, measure, step);
      if (entry.bands.steps.length > 2 * POINTS) entry.asked = '';
    }
  }
  redraw();
}

function takeRun(summary: RunSummary): void {
  const known = data.get(summary.run);
  const others = runs.value.filter(({ run }) => run !== summary.run);
  runs.value = [...others, summary].sort((a, b) => b.startedAt - a.startedAt || a.run.localeCompare(b.run));
  if (known !== undefined) {
    if (known.detail.attempt !== summary.attempt) data.delete(summary.run);
    else Object.assign(known.detail, summary);
  }
  if (view.value.run === null) choose(summary.run);
  redraw();
}

function takeWarning(warning: WarningAnswer): void {
  const known = data.get(warning.run);
  if (known === undefined) return;
  const at = known.warnings.findIndex(({ id }) => id === warning.id);
  known.warnings = at < 0 ? [...known.warnings, warning] : known.warnings.with(at, warning);
  redraw();
}

/** Also for an answer of the server to an acknowledgement. */
export { takeWarning };

function setConnected(connected: boolean): void {
  if (link.value.connected !== connected) link.value = { connected, since: Date.now() };
}

/** Steps that were missed are sent again by the server (Last-Event-ID); warnings and runs are asked for anew. */
function listen(): void {
  const source = new EventSource('api/v1/stream');
  source.addEventListener('open', () => {
    if (!link.value.connected) void refresh();
    setConnected(true);
  });
  source.addEventListener('error', () => {
    setConnected(false);
    // Refused for good (a restarted server with another token …): try from the start.
    if (source.readyState !== EventSource.CLOSED) return;
    setTimeout(() => {
      data.clear();
      listen();
    }, 3000);
  });
  source.addEventListener('step', (event) => takeStep(JSON.parse(event.data as string) as StepAnswer));
  source.addEventListener('run', (event) => takeRun(JSON.parse(event.data as string) as RunSummary));
  source.addEventListener('warning', (event) => takeWarning(JSON.parse(event.data as string) as WarningAnswer));
}

async function refresh(): Promise<void> {
  try {
    runs.value = await askRuns();
    for (const [run, known] of data) known.warnings = await askWarnings(run);
    fault.value = null;
  } catch (error) {
    fault.value = (error as Error).message;
  }
  redraw();
}

/** The stream is opened first, so that no step falls between the past and the present. */
export async function start(): Promise<void> {
  listen();
  document.addEventListener('visibilitychange', redraw);
  window.addEventListener('hashchange', () => {
    view.value = readView(location.hash);
    redraw();
  });
  await refresh();
  if (view.value.run !== null && runs.value.some(({ run }) => run === view.value.run)) return;
  // The live run with the largest gain, else the newest.
  const gainOf = ({ lastCompositeGain }: RunSummary) => (lastCompositeGain === null ? 0 : fromWire(lastCompositeGain));
  const [strongest] = runs.value.filter(({ live }) => live).sort((a, b) => gainOf(b) - gainOf(a));
  const first = strongest ?? runs.value[0];
  if (first !== undefined) choose(first.run);
}

/** Asks for the runs again and shows this one: after an upload. */
export async function showRun(run: string): Promise<void> {
  await refresh();
  choose(run);
}
