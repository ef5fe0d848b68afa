/** What is chosen, what is loaded, what the stream brings, and when it is drawn (draw.ts). */
import type { RunSummary, StepAnswer } from '../src/telemetry/api.ts';
import { askLatest, askRun, askRuns, askSeries } from './api.ts';
import { createDrawing, drawBanner, element, type State, sortedRuns } from './draw.ts';
import { fromWire } from './format.ts';
import { addStep, createHistory, POINTS, pointsOf, SHOWN_MEASURES, SHOWN_SCALARS } from './history.ts';
import { onThemeChange } from './theme.ts';

/** Runs in the overview. */
const OVERVIEW_AT_MOST = 8;
const DRAW_EVERY = 200;

const state: State = {
  runs: new Map(),
  overview: new Map(),
  chosen: null,
  history: null,
  connection: 0,
  direction: 'Forward',
  connected: true,
  lastStepAt: 0,
  error: null,
};

const draw = createDrawing({
  choose: (run) => void choose(run),
  pickConnection,
  pickRow: (row) => pickConnection(state.history?.detail.connections[row].name ?? ''),
});

let scheduled: number | null = null;
let drawnAt = 0;

/** At most five times a second, and not at all in a hidden tab. */
function schedule(): void {
  if (scheduled !== null) return;
  scheduled = window.setTimeout(
    () => {
      requestAnimationFrame(() => {
        scheduled = null;
        drawnAt = performance.now();
        draw(state);
      });
    },
    Math.max(0, DRAW_EVERY - (performance.now() - drawnAt)),
  );
}

// ── choosing ──

let loading = 0;

/** Loads a run's past; steps that come meanwhile are kept and added after it. */
async function choose(run: string): Promise<void> {
  const ticket = ++loading;
  state.chosen = run;
  state.error = null;
  early = [];
  location.hash = `run=${encodeURIComponent(run)}`;
  try {
    const detail = await askRun(run);
    const [latest, ...series] = await Promise.all([
      detail.lastStep === null ? null : askLatest(run),
      ...[...SHOWN_MEASURES, ...SHOWN_SCALARS].map((measure) => askSeries(run, measure, POINTS)),
    ]);
    if (ticket !== loading) return; // another was chosen meanwhile
    const fresh = state.history?.detail.run !== run;
    state.history = createHistory(detail, latest, series);
    state.lastStepAt = detail.lastTime ?? Date.now();
    if (fresh || state.connection >= detail.connections.length) state.connection = detail.connections.length - 1;
    fillPicker();
    const kept = early;
    early = null;
    for (const step of kept) addStep(state.history, step);
  } catch (error) {
    if (ticket !== loading) return;
    early = null;
    state.error = `${run}: ${(error as Error).message}`;
  }
  schedule();
}

/** Steps of the chosen run that came while its past was loaded; null: it is there. */
let early: StepAnswer[] | null = null;

function fillPicker(): void {
  const picker = element<HTMLSelectElement>('connection');
  const names = state.history?.detail.connections.map((c) => c.name) ?? [];
  picker.replaceChildren(...names.map((name) => new Option(name, name)));
  picker.selectedIndex = state.connection;
}

function pickConnection(name: string): void {
  const index = state.history?.detail.connections.findIndex((c) => c.name === name) ?? -1;
  if (index < 0) return;
  state.connection = index;
  element<HTMLSelectElement>('connection').selectedIndex = index;
  schedule();
}

element('connection').addEventListener('change', (event) => pickConnection((event.target as HTMLSelectElement).value));
for (const direction of ['Forward', 'Backward'] as const) {
  element(direction.toLowerCase()).addEventListener('click', () => {
    state.direction = direction;
    for (const other of ['Forward', 'Backward']) element(other.toLowerCase()).setAttribute('aria-pressed', String(other === direction));
    schedule();
  });
}
onThemeChange(schedule);

// ── the stream ──

function takeStep(step: StepAnswer): void {
  const summary = state.runs.get(step.run);
  if (summary !== undefined) {
    summary.lastStep = step.step;
    summary.lastTime = step.time;
    summary.lastLoss = step.loss;
    summary.lastCompositeGain = step.compositeGain;
  }
  const gains = state.overview.get(step.run);
  if (gains !== undefined && step.step > (gains.at(-1)?.x ?? -1)) gains.push({ x: step.step, y: fromWire(step.compositeGain) });
  if ((gains?.length ?? 0) > 2 * POINTS) void loadOverview(step.run);
  if (step.run === state.chosen) {
    state.lastStepAt = step.time;
    if (early !== null) early.push(step);
    else if (state.history !== null) {
      const max = state.history.detail.maxCompositeGain;
      if (max === null || fromWire(step.compositeGain) > fromWire(max)) state.history.detail.maxCompositeGain = step.compositeGain;
      if (!addStep(state.history, step)) void choose(step.run);
    }
  }
  schedule();
}

function takeRun(summary: RunSummary): void {
  const known = state.runs.get(summary.run);
  state.runs.set(summary.run, summary);
  if (known === undefined || known.attempt !== summary.attempt) {
    void loadOverview(summary.run);
    if (state.chosen === null || state.chosen === summary.run) void choose(summary.run);
  }
  schedule();
}

async function loadOverview(run: string): Promise<void> {
  try {
    const [points] = pointsOf(await askSeries(run, 'compositeGain', POINTS));
    state.overview.set(run, points ?? []);
  } catch {
    state.overview.set(run, state.overview.get(run) ?? []); // not recorded: from now on
  }
  schedule();
}

/** The stream is opened first, so that no step falls between the past and the present. */
function listen(): void {
  const source = new EventSource('api/v1/stream');
  source.addEventListener('open', () => {
    state.connected = true;
    schedule();
  });
  source.addEventListener('error', () => {
    state.connected = false;
    schedule();
    // Refused for good (a restarted server with another token …): try from the start.
    if (source.readyState === EventSource.CLOSED) {
      setTimeout(listen, 3000);
    }
  });
  source.addEventListener('step', (event) => takeStep(JSON.parse(event.data as string) as StepAnswer));
  source.addEventListener('run', (event) => takeRun(JSON.parse(event.data as string) as RunSummary));
}

async function start(): Promise<void> {
  const asked = new URLSearchParams(location.hash.slice(1)).get('run');
  listen();
  try {
    for (const run of await askRuns()) if (!state.runs.has(run.run)) state.runs.set(run.run, run);
  } catch (error) {
    state.error = (error as Error).message;
  }
  const runs = sortedRuns(state);
  for (const { run } of runs
    .filter((r) => r.live)
    .concat(runs)
    .slice(0, OVERVIEW_AT_MOST))
    if (!state.overview.has(run)) void loadOverview(run);
  // Unless one is named in the address: the live run with the largest gain, else the newest.
  const gainOf = (run: RunSummary) => (run.lastCompositeGain === null ? 0 : fromWire(run.lastCompositeGain));
  const [strongest] = runs.filter((r) => r.live).sort((a, b) => gainOf(b) - gainOf(a));
  const first = asked !== null && state.runs.has(asked) ? asked : (strongest ?? runs[0])?.run;
  if (first !== undefined && (state.chosen === null || asked !== null)) await choose(first);
  schedule();
  setInterval(() => drawBanner(state), 1000);
}

void start();
