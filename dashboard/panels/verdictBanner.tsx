/** The verdict in one line, the newest step below it, what is wrong with the page itself; the tab's picture and title. */
import { useEffect } from 'preact/hooks';
import { fromWire } from '../../src/telemetry/wire.ts';
import { about, ago, clockTime, count, duration, range, shown } from '../model/format.ts';
import type { StepsLeft } from '../model/stepsLeft.ts';
import type { Clause, Verdict } from '../model/verdict.ts';
import { now } from '../state/clock.ts';
import { fault } from '../state/fault.ts';
import { type Judgement, judge, writeTab } from '../state/judgement.ts';
import { link } from '../state/liveStream.ts';
import { permissions } from '../state/permissions.ts';
import { mapTick } from '../state/redraw.ts';
import { change, view } from '../state/viewState.ts';
import { OpenRecording } from './drop.tsx';
import { HelpButton } from './helpDialog.tsx';
import { Sign } from './sign.tsx';
import './verdictBanner.css';

/** More steps left than this are as good as none in sight. Our choice: longer than most runs. */
const MAX_STEPS_LEFT = 100_000;
/** Title and icon are looked at while the page is not drawn. */
const TAB_MS = 1000;

/** The reason, with the connection in it as a button. */
const Why = ({ before, connection, after }: Clause) => (
  <span>
    {before}
    {connection === null ? null : (
      <button type="button" class="verdict-connection" onClick={() => change({ open: connection })}>
        {connection}
      </button>
    )}
    {after}
  </span>
);

function sinceWords({ since, knownSince, others }: Verdict, time: number): string {
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
  if (!(steps < MAX_STEPS_LEFT)) return `no limit ${ended ? 'was' : 'is'} near`;
  return `about ${about(steps)}${range(interval)} to ${gain ? 'G =' : measure} ${threshold}`;
}

function Facts({ verdict, known, time }: Judgement) {
  if (known?.latest == null) return null;
  const { step, loss, compositeGain, time: stepTime } = known.latest;
  const { ended, age, stepsLeft } = verdict;
  const facts = [
    ...(ended === null ? [] : [['the run', ended]]),
    [ended === null ? 'steps left' : 'steps left at its end', leftWords(stepsLeft, ended !== null)],
    ['loss', loss === null ? '–' : shown(fromWire(loss))],
    ['G', compositeGain === null ? '–' : shown(fromWire(compositeGain))],
  ];
  return (
    <ul class="row verdict-facts">
      <li>
        step <b>{step}</b>, <span title={clockTime(stepTime, time)}>{duration(age ?? 0)} ago</span>
      </li>
      {facts.map(([name, value]) => (
        <li key={name}>
          {name} <b>{value}</b>
        </li>
      ))}
    </ul>
  );
}

/** Without an age, which would be read out each second. */
function Banner() {
  const { connected, since } = link.value;
  const why = permissions.value.ended
    ? 'The session has ended, or gainwatch was started anew: open its address once more with ?token=TOKEN at its end'
    : `The connection to gainwatch is lost since ${clockTime(since, Date.now())}; trying again`;
  const lost = connected ? null : `${why}. What you see is the last state.`;
  return (
    <div class="banner" role="status">
      {lost === null ? null : <p>{lost}</p>}
      {fault.value === null || lost !== null ? null : <p>Could not load: {fault.value}</p>}
    </div>
  );
}

export function VerdictBanner() {
  void [mapTick.value, now.value, view.value, link.value];
  const judgement = judge();
  const { verdict, time } = judgement;
  useEffect(() => {
    const timer = setInterval(() => writeTab(judge().verdict), TAB_MS);
    return () => clearInterval(timer);
  }, []);
  useEffect(() => writeTab(verdict));
  return (
    <>
      <section class={`verdict is-${verdict.level}`} aria-label="Verdict">
        <p class="verdict-line">
          <Sign kind={verdict.level} /> <strong>{verdict.word}:</strong> <Why {...verdict.why} />
          {sinceWords(verdict, time)}
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
