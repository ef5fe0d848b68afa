/** The verdict on the shown run, from what was loaded, and the tab that shows it. Draws nothing on the page. */
import { iconOf, SHAPES } from '../model/signs.ts';
import { type Verdict, verdictOf } from '../model/verdict.ts';
import { link } from './liveStream.ts';
import { dataOf, type RunData, runs } from './store.ts';
import { view } from './viewState.ts';

/** By run: how far the clock here is ahead of the one that dates its steps, ms: the least seen between a step and its arrival. */
const skews = new Map<string, { time: number; skew: number | null }>();

/** The time by the clock that dates the steps of the run: a tunnel may lead to a machine whose clock is wrong. */
function runTime({ detail, latest }: RunData): number {
  const known = skews.get(detail.run);
  if (latest !== null && known?.time !== latest.time) {
    const skew = known === undefined ? null : Math.min(known.skew ?? Number.POSITIVE_INFINITY, Date.now() - latest.time);
    skews.set(detail.run, { time: latest.time, skew });
  }
  return Date.now() - (skews.get(detail.run)?.skew ?? 0);
}

export interface Judgement {
  verdict: Verdict;
  known: RunData | null;
  /** By the clock of the run, milliseconds since 1970. */
  time: number;
}

/** On what is there now. Reads no signal, so that it can be asked at any time. */
export function judge(): Judgement {
  const { run } = view.peek();
  const known = dataOf(run);
  const time = known === null ? Date.now() : runTime(known);
  const summary = runs.peek().find((each) => each.run === run);
  const facts = { latest: known?.latest ?? null, warnings: known?.warnings ?? [], link: link.peek(), now: time };
  return { verdict: verdictOf({ ...facts, run: known === null ? null : { ...known.detail, ...summary } }), known, time };
}

/** Title and icon, also of a hidden tab: that is where they are looked at. */
export function writeTab({ level }: Verdict): void {
  const { run } = view.peek();
  const title = run === null ? 'gainwatch' : `${SHAPES[level].letter} ${level} – ${run} – gainwatch`;
  if (document.title !== title) document.title = title;
  const icon = document.getElementById('icon');
  const href = iconOf(level);
  if (icon instanceof HTMLLinkElement && icon.getAttribute('href') !== href) icon.href = href;
}
