/** What comes by itself: the stream of steps, runs and warnings, and the connection to the server. Draws nothing. */
import { signal } from '@preact/signals';
import type { ConnectionsAnswer, GoneAnswer, RunSummary, StepAnswer, WarningAnswer } from '../../src/telemetry/api.ts';
import { fromWire } from '../../src/telemetry/wire.ts';
import { isElsewhere } from '../model/outcome.ts';
import { readView } from '../model/view.ts';
import { fault, reportAbsent } from './fault.ts';
import { refreshPermissions } from './permissions.ts';
import { redraw, redrawStep, redrawUnhurried } from './redraw.ts';
import { askRuns } from './requests.ts';
import { addStep, askAgain, data, forgetRun, reloadAll, reloadElsewhere, reloadRun, runs, updateWarning } from './store.ts';
import { choose, view } from './viewState.ts';

/** Without any event for so long the connection is lost, even without an error (a tunnel that hangs): the server has a beat each 15 s. */
const SILENT_MS = 40_000;
const CHECK_SILENCE_MS = 5000;
/** Before the server is asked again. Our choice: one that starts anew is there within seconds. */
const RETRY_MS = 1000;
/** Between two questions about runs that another process writes. Our choice: as fresh as a reader wants who does not watch live. */
const ELSEWHERE_MS = 5000;

/** To the server; `since`: milliseconds since 1970 of the last change. */
export const link = signal({ connected: true, since: Date.now() });
/** Is it decided which run is shown first? */
let ready = false;

function handleStep(step: StepAnswer): void {
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
  redrawStep();
}

function handleRun(summary: RunSummary): void {
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
function openStream(): void {
  const source = new EventSource('api/v1/stream');
  let lastEventAt = Date.now();
  const lost = (since: number) => {
    window.clearInterval(watch);
    source.close();
    if (link.value.connected) link.value = { connected: false, since };
    void refreshPermissions();
    window.setTimeout(openStream, RETRY_MS);
  };
  const watch = window.setInterval(() => {
    if (Date.now() - lastEventAt > SILENT_MS) lost(lastEventAt);
  }, CHECK_SILENCE_MS);
  const on = <T>(event: string, handle: (data: T) => void) =>
    source.addEventListener(event, (message) => {
      lastEventAt = Date.now();
      handle(JSON.parse((message as MessageEvent<string>).data) as T);
    });
  source.addEventListener('open', () => {
    lastEventAt = Date.now();
    void refreshPermissions();
    if (link.value.connected) return;
    link.value = { connected: true, since: lastEventAt };
    reloadAll();
    void refresh();
  });
  source.addEventListener('error', () => lost(Date.now()));
  on<null>('beat', () => {});
  on('step', handleStep);
  on('run', handleRun);
  on<ConnectionsAnswer>('connections', ({ run }) => reloadRun(run));
  on<GoneAnswer>('gone', ({ run }) => {
    forgetRun(run);
    if (view.value.run === run) reportAbsent(run);
    redrawUnhurried();
  });
  on<WarningAnswer>('warning', (warning) => {
    updateWarning(warning);
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

/** Starts it all. The stream is opened first, so that no step falls between the past and the present. */
export async function start(): Promise<void> {
  // What the entrance has added (plugin/server/authorize.ts): nobody should copy it.
  if (location.search !== '') history.replaceState(null, '', location.pathname + location.hash);
  openStream();
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
  }, ELSEWHERE_MS);
  while (!(await refresh())) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  ready = true;
  const { run } = view.value;
  if (run !== null) {
    // Another run in its place could look as if all were well.
    if (!runs.value.some((each) => each.run === run)) reportAbsent(run);
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
