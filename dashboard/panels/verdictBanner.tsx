/** The verdict in one line, the newest step below it, what is wrong with the page itself; the tab's picture and title. */
import { useEffect } from 'preact/hooks';
import { fromWire, shown } from '../model/format.ts';
import { iconOf, SHAPES } from '../model/signs.ts';
import type { StepsLeft } from '../model/stepsLeft.ts';
import { type Verdict as Judged, verdictOf } from '../model/verdict.ts';
import { about, ago, clockTime, count, long, range } from '../model/words.ts';
import { now } from '../state/clock.ts';
import { link } from '../state/liveStream.ts';
import { mapTick } from '../state/redraw.ts';
import { dataOf, fault, type RunData, runs } from '../state/store.ts';
import { change, view } from '../state/viewState.ts';
import { OpenRecording } from './drop.tsx';
import { HelpButton } from './helpDialog.tsx';
import { Sign } from './sign.tsx';
import './verdictBanner.css';

/** More steps left than this are as good as none in sight. */
const FAR = 100_000;

/** By run: how far the clock here is ahead of the one that dates its steps, ms: the least seen between a step and its arrival. */
const skews = new Map<string, { time: number; skew: number | null }>();

/** The time by the clock that dates the steps of the run: a tunnel may lead to a machine that goes wrong. */
function runTime({ detail, latest }: RunData): number {
  const known = skews.get(detail.run);
  if (latest !== null && known?.time !== latest.time) {
    const skew = known === undefined ? null : Math.min(known.skew ?? Number.POSITIVE_INFINITY, Date.now() - latest.time);
    skews.set(detail.run, { time: latest.time, skew });
  }
  return Date.now() - (skews.get(detail.run)?.skew ?? 0);
}

interface Judgement {
  judged: Judged;
  known: RunData | null;
  /** By the clock of the run. */
  time: number;
}

/** Reads no signal, so that it can be asked at any time. */
function judge(): Judgement {
  const { run } = view.peek();
  const known = dataOf(run);
  const time = known === null ? Date.now() : runTime(known);
  const summary = runs.peek().find((each) => each.run === run);
  const facts = { latest: known?.latest ?? null, warnings: known?.warnings ?? [], link: link.peek(), now: time };
  return { judged: verdictOf({ ...facts, run: known === null ? null : { ...known.detail, ...summary } }), known, time };
}

/** Also in a hidden tab: that is where they are looked at. */
function writeTab({ level }: Judged): void {
  const { run } = view.peek();
  const title = run === null ? 'gainwatch' : `${SHAPES[level].letter} ${level} – ${run} – gainwatch`;
  if (document.title !== title) document.title = title;
  const icon = document.getElementById('icon');
  const href = iconOf(level);
  if (icon instanceof HTMLLinkElement && icon.getAttribute('href') !== href) icon.href = href;
}

function Connection({ name }: { name: string }) {
  return (
    <button type="button" class="verdict-connection" data-testid="verdict-connection" onClick={() => change({ open: name })}>
      {name}
    </button>
  );
}

/** The reason, with the connection in it as a button. */
function Why({ judged: { why, connection } }: { judged: Judged }) {
  const at = connection === null ? -1 : why.indexOf(connection);
  return (
    <span data-testid="verdict-why">
      {at < 0 ? why : why.slice(0, at)}
      {connection === null ? null : at < 0 ? '; ' : ''}
      {connection === null ? null : <Connection name={connection} />}
      {at < 0 ? '' : why.slice(at + connection!.length)}
    </span>
  );
}

function sinceWords({ since, knownSince, others }: Judged, time: number): string {
  const parts = [];
  if (since !== null) {
    const when = since.step === null ? clockTime(since.time, time) : `step ${since.step}`;
    parts.push(`; since ${when} (${ago(since.time, time)})`);
  }
  if (knownSince !== null) parts.push(`; known since ${clockTime(knownSince, time)}`);
  if (others > 0) parts.push(`; and ${count(others, 'more warning')}`);
  return parts.join('');
}

function leftWords(left: StepsLeft | null, ended: boolean): string {
  if (left === null) return '–';
  const { measure, threshold, steps, interval } = left;
  const gain = measure === 'compositeGain';
  if (steps === 0) return `0: ${gain ? 'G' : measure} has reached ${threshold}`;
  if (!(steps < FAR)) return `no limit ${ended ? 'was' : 'is'} near`;
  return `about ${about(steps)}${range(interval)} to ${gain ? 'G =' : measure} ${threshold}`;
}

function Facts({ judged, known, time }: Judgement) {
  if (known?.latest == null) return null;
  const { step, loss, compositeGain, time: stepTime } = known.latest;
  const { ended, age } = judged;
  return (
    <ul class="verdict-facts">
      <li>
        step <b data-testid="verdict-step">{step}</b>,{' '}
        <span data-testid="verdict-age" title={clockTime(stepTime, time)}>
          {long(age ?? 0)} ago
        </span>
      </li>
      {ended === null ? null : (
        <li data-testid="verdict-ended">
          the run <b>{ended}</b>
        </li>
      )}
      <li>
        {ended === null ? 'steps left' : 'steps left at its end'}{' '}
        <b data-testid="verdict-left">{leftWords(judged.stepsLeft, ended !== null)}</b>
      </li>
      <li>
        loss <b data-testid="verdict-loss">{loss === null ? '–' : shown(fromWire(loss))}</b>
      </li>
      <li>
        G <b data-testid="verdict-gain">{shown(fromWire(compositeGain))}</b>
      </li>
    </ul>
  );
}

/** Says no age, which would be read out each second. */
function Banner() {
  const { connected, since } = link.value;
  const lost = connected
    ? null
    : `The connection to gainwatch is lost since ${clockTime(since, Date.now())}; trying again. What you see is the last state.`;
  return (
    <div class="banner" role="status" data-testid="banner">
      {lost === null ? null : <p>{lost}</p>}
      {fault.value === null || lost !== null ? null : <p>Could not load: {fault.value}</p>}
    </div>
  );
}

export function Verdict() {
  void [mapTick.value, now.value, view.value, link.value];
  const judgement = judge();
  const { judged, time } = judgement;
  useEffect(() => {
    const timer = setInterval(() => writeTab(judge().judged), 1000);
    return () => clearInterval(timer);
  }, []);
  useEffect(() => writeTab(judged));
  return (
    <>
      <section class={`verdict verdict-${judged.level}`} data-testid="verdict" data-level={judged.level} aria-label="Verdict">
        <p class="verdict-line">
          <Sign kind={judged.level} /> <strong>{judged.word}:</strong> <Why judged={judged} />
          {sinceWords(judged, time)}
        </p>
        <Facts {...judgement} />
      </section>
      <div class="page-tools">
        <OpenRecording />
        <HelpButton />
      </div>
      <Banner />
    </>
  );
}
