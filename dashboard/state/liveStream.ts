/** What comes by itself: the stream of steps, runs and warnings, and the connection to the server. Draws nothing. */
import { signal } from '@preact/signals';
import type { RunSummary, StepAnswer, WarningAnswer } from '../../src/telemetry/api.ts';
import { fromWire } from '../model/format.ts';
import { isElsewhere } from '../model/verdict.ts';
import { readView } from '../model/view.ts';
import { redraw, redrawStep, redrawUnhurried } from './redraw.ts';
import { askRuns } from './requests.ts';
import { addToSparks, forgetSparks } from './sparks.ts';
import { addStep, askAgain, data, fault, reloadAll, reloadElsewhere, runs, sayAbsent, takeWarning } from './store.ts';
import { choose, view } from './viewState.ts';

/** Without any event for so long the connection is lost, even if nobody says so (a tunnel that hangs); the server has a beat each 15 s. */
const SILENT_AFTER = 40_000;
const AGAIN_AFTER = 1000;
/** Between two questions about runs that another process writes. */
const ELSEWHERE_EVERY = 5000;

/** To the server; `since`: milliseconds since 1970 of the last change. */
export const link = signal({ connected: true, since: Date.now() });
/** Is it decided which run is shown first? */
let ready = false;

function takeStep(step: StepAnswer): void {
  const known = data.get(step.run);
  const summary = runs.peek().find(({ run }) => run === step.run);
  if (summary !== undefined) {
    // In place: who shows it looks at it with each redraw.
    const { step: lastStep, time: lastTime, loss: lastLoss, compositeGain: lastCompositeGain } = step;
    const max = summary.maxCompositeGain;
    const isHigher = max === null || Number.isNaN(fromWire(max)) || fromWire(lastCompositeGain) > fromWire(max);
    Object.assign(summary, { lastStep, lastTime, lastLoss, lastCompositeGain, maxCompositeGain: isHigher ? lastCompositeGain : max });
  }
  if (known === undefined || step.attempt < known.detail.attempt) return;
  if (step.attempt > known.detail.attempt) {
    data.delete(step.run);
    redrawUnhurried();
    return;
  }
  addStep(known, step);
  addToSparks(step);
  redrawStep();
}

function takeRun(summary: RunSummary): void {
  const known = data.get(summary.run);
  const others = runs.value.filter(({ run }) => run !== summary.run);
  runs.value = [...others, summary].sort((a, b) => b.startedAt - a.startedAt || a.run.localeCompare(b.run));
  if (known === undefined) askAgain(summary.run);
  else {
    if (known.detail.attempt !== summary.attempt) data.delete(summary.run);
    else Object.assign(known.detail, summary);
  }
  if (ready && view.value.run === null) choose(summary.run);
  redrawUnhurried();
}

/** Opened anew each time: what was missed is not sent again (it may be a night) but asked for, reduced, when it is looked at. */
function listen(): void {
  const source = new EventSource('api/v1/stream');
  let heardAt = Date.now();
  const lost = (since: number) => {
    window.clearInterval(watch);
    source.close();
    if (link.value.connected) link.value = { connected: false, since };
    window.setTimeout(listen, AGAIN_AFTER);
  };
  const watch = window.setInterval(() => {
    if (Date.now() - heardAt > SILENT_AFTER) lost(heardAt);
  }, 5000);
  const on = <T>(event: string, take: (data: T) => void) =>
    source.addEventListener(event, (message) => {
      heardAt = Date.now();
      take(JSON.parse((message as MessageEvent<string>).data) as T);
    });
  source.addEventListener('open', () => {
    heardAt = Date.now();
    if (link.value.connected) return;
    link.value = { connected: true, since: heardAt };
    reloadAll();
    forgetSparks();
    void refresh();
  });
  source.addEventListener('error', () => lost(Date.now()));
  on<null>('beat', () => {});
  on('step', takeStep);
  on('run', takeRun);
  on<WarningAnswer>('warning', (warning) => {
    takeWarning(warning);
    redrawUnhurried();
  });
}

/** @returns did the server answer? */
async function refresh(): Promise<boolean> {
  try {
    runs.value = await askRuns();
    fault.value = null;
  } catch (error) {
    fault.value = (error as Error).message;
  }
  redraw();
  return fault.value === null;
}

/** The stream is opened first, so that no step falls between the past and the present. */
export async function start(): Promise<void> {
  listen();
  document.addEventListener('visibilitychange', redraw);
  window.addEventListener('hashchange', () => {
    const given = readView(location.hash);
    view.value = { ...given, run: given.run ?? view.value.run };
    redraw();
  });
  window.setInterval(() => {
    if (document.hidden || !link.value.connected || !runs.value.some(isElsewhere)) return;
    void refresh();
    reloadElsewhere();
  }, ELSEWHERE_EVERY);
  while (!(await refresh())) await new Promise((resolve) => setTimeout(resolve, AGAIN_AFTER));
  ready = true;
  const { run } = view.value;
  if (run !== null) {
    // Another run in its place could say that all is well.
    if (!runs.value.some((each) => each.run === run)) sayAbsent(run);
    return;
  }
  // What goes on before what has ended, then what is warned of most, then the largest gain, then the newest.
  const gainOf = ({ lastCompositeGain }: RunSummary) => (lastCompositeGain === null ? 0 : fromWire(lastCompositeGain));
  const [first] = [...runs.value].sort(
    (a, b) => Number(b.live) - Number(a.live) || b.activeWarnings - a.activeWarnings || gainOf(b) - gainOf(a) || 0,
  );
  if (first !== undefined) choose(first.run);
}

/** Asks for the runs again and shows this one: after an upload. */
export async function showRun(run: string): Promise<void> {
  await refresh();
  choose(run);
}
