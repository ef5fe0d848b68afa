/** What comes by itself: the stream of steps, runs and warnings, and the connection to the server. Draws nothing. */
import { signal } from '@preact/signals';
import type { RunSummary, StepAnswer, WarningAnswer } from '../src/telemetry/api.ts';
import { askRuns, askWarnings } from './api.ts';
import { fromWire } from './format.ts';
import { redraw, redrawStep } from './redraw.ts';
import { addStep, choose, data, fault, runs, view } from './store.ts';
import { readView } from './view.ts';

/** To the server; `since`: milliseconds since 1970 of the last change. */
export const link = signal({ connected: true, since: Date.now() });

function takeStep(step: StepAnswer): void {
  const known = data.get(step.run);
  const summary = runs.peek().find(({ run }) => run === step.run);
  if (summary !== undefined) {
    // In place: who shows it looks at it with each redraw.
    const { step: lastStep, time: lastTime, loss: lastLoss, compositeGain: lastCompositeGain } = step;
    const { maxCompositeGain: max } = summary;
    const isHigher = max === null || fromWire(lastCompositeGain) > fromWire(max);
    Object.assign(summary, { lastStep, lastTime, lastLoss, lastCompositeGain, maxCompositeGain: isHigher ? lastCompositeGain : max });
  }
  if (known === undefined) return;
  if (step.attempt !== known.detail.attempt) {
    data.delete(step.run);
    redraw();
    return;
  }
  addStep(known, step);
  redrawStep();
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

/** Also for an answer of the server to an acknowledgement. */
export function takeWarning(warning: WarningAnswer): void {
  const known = data.get(warning.run);
  if (known === undefined) return;
  const at = known.warnings.findIndex(({ id }) => id === warning.id);
  known.warnings = at < 0 ? [...known.warnings, warning] : known.warnings.with(at, warning);
  redraw();
}

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
