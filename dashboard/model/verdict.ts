/** The verdict on a run: is it healthy, why not, which connection, how long is left. Pure: asks nobody, draws nothing, has no clock. */
import { clauseOf, growthClause } from '../../alerts/messages.ts';
import type { RunDetail, StepAnswer, WarningAnswer } from '../../src/telemetry/api.ts';
import type { RuleName } from '../../src/telemetry/warning.ts';
import { fromWire } from '../../src/telemetry/wire.ts';
import { about, duration, range } from './format.ts';
import { endOf, isElsewhere } from './outcome.ts';
import { forecastOf, type StepsLeft, stepsLeftOf } from './stepsLeft.ts';

export type Level = 'healthy' | 'watch' | 'act' | 'unknown';

export interface Facts {
  /** null: there is none, or it is not loaded yet. */
  run: RunDetail | null;
  latest: StepAnswer | null;
  warnings: readonly WarningAnswer[];
  link: { connected: boolean; since: number };
  /** Milliseconds since 1970. */
  now: number;
}

/** Words around the connection's name, which is a button on the page; without a full stop. */
export interface Clause {
  before: string;
  connection: string | null;
  after: string;
}

export interface Verdict {
  level: Level;
  word: string;
  why: Clause;
  stepsLeft: StepsLeft | null;
  /** `step` is null where it began at no step. */
  since: { step: number | null; time: number } | null;
  /** When somebody said that it is known. */
  knownSince: number | null;
  /** Further active warnings. */
  others: number;
  /** How the run ended, in words; null: it goes on, or nobody knows. */
  ended: string | null;
  /** Seconds since the last step. */
  age: number | null;
}

/** A live run without a step for as long is silent: seconds, and durations of a step. Our choice: a checkpoint may take as long. */
const SILENT_SECONDS = 60;
const SILENT_STEPS = 30;

const WORDS: Record<Level, string> = { healthy: 'Healthy', watch: 'Watch', act: 'Act', unknown: 'Unknown' };

/** Which warning comes first, of those of one severity. */
const ORDER: readonly RuleName[] = ['nonfinite', 'stalled', 'gain-forecast', 'collapse', 'runaway-connection', 'deviation-drift'];

interface Reason {
  level: Level;
  why: Clause;
  since?: Verdict['since'];
}

/** By what holds now: values that are no numbers, else the most urgent warning, else what else is known. */
export function verdictOf(facts: Facts): Verdict {
  const { run, latest, warnings, now } = facts;
  const active = warnings.filter((w) => w.active && w.severity !== 'info').sort(compare);
  const broken = run === null || latest === null ? null : brokenOf(run, latest);
  const [first] = active;
  const main = broken === null ? first : active.find(({ rule }) => rule === 'nonfinite');
  const reason = broken ?? (first === undefined ? quiet(facts) : reasonOf(first, facts));
  return {
    level: reason.level,
    word: WORDS[reason.level],
    why: reason.why,
    stepsLeft: broken === null && latest !== null ? stepsLeftOf(first, latest) : null,
    since: main === undefined ? (reason.since ?? null) : { step: main.step, time: main.time },
    knownSince: main?.acknowledgedTime ?? null,
    others: active.length - (main === undefined ? 0 : 1),
    ended: endOf(run),
    age: latest === null ? null : Math.max(0, (now - latest.time) / 1000),
  };
}

/** The most urgent first: critical, not known yet, by rule, of the gain the higher threshold, the older. */
function compare(a: WarningAnswer, b: WarningAnswer): number {
  const critical = (w: WarningAnswer) => (w.severity === 'critical' ? 0 : 1);
  const known = (w: WarningAnswer) => (w.acknowledgedTime == null ? 0 : 1);
  const rank = (w: WarningAnswer) => (ORDER.includes(w.rule) ? ORDER.indexOf(w.rule) : ORDER.length);
  const threshold = (w: WarningAnswer) => (w.rule === 'gain-forecast' ? -w.threshold : 0);
  return critical(a) - critical(b) || known(a) - known(b) || rank(a) - rank(b) || threshold(a) - threshold(b) || a.step - b.step;
}

/** Every threshold is blind to NaN, so this is asked apart from the warnings. */
function brokenOf(run: RunDetail, latest: StepAnswer): Reason | null {
  const since = { step: latest.step, time: latest.time };
  const l = latest.nonfinite.findIndex((values) => values > 0);
  if (l >= 0) {
    const after = ` holds ${latest.nonfinite[l]} NaN or infinite values`;
    return { level: 'act', why: { before: '', connection: run.connections[l]?.name ?? null, after }, since };
  }
  const values = {
    'composite gain': latest.compositeGain,
    loss: latest.loss,
    'gradient norm': latest.gradientNorm,
    'learning rate': latest.learningRate,
  };
  for (const [name, value] of Object.entries(values)) {
    if (value == null || Number.isFinite(fromWire(value))) continue;
    return { level: 'act', why: plainClause(`the ${name} is ${value === 'NaN' ? 'NaN' : 'infinite'}`), since };
  }
  return null;
}

const reasonOf = (warning: WarningAnswer, facts: Facts): Reason => ({
  level: warning.severity === 'critical' ? 'act' : 'watch',
  why: whyOf(warning, facts),
});

/** As it is now, where that is known; else as it was when the warning was raised. */
function wordsOf(warning: WarningAnswer, facts: Facts): string {
  const { run, latest, now } = facts;
  if (warning.rule === 'stalled' && latest !== null && endOf(run) === null)
    return `the run has made no step for ${duration((now - latest.time) / 1000)}`;
  return warning.rule === 'gain-forecast' ? gainWords(warning, facts) + growthWords(warning) : (clauseOf(warning) ?? warning.message);
}

function gainWords({ threshold, severity, stepsLeft, interval, step }: WarningAnswer, { run, latest }: Facts): string {
  const gain = 'the composite gain';
  const ended = endOf(run) !== null;
  const critical = severity === 'critical';
  const now = forecastOf(latest, threshold);
  if (now?.steps === 0) return `${gain} has reached ${threshold}`;
  const past = `${gain} ${critical ? 'was forecast to' : 'might'} reach ${threshold}`;
  if (ended && now !== null && Number.isFinite(now.steps))
    return `${past} in about ${about(now.steps)} steps${range(now.interval)} when it ended`;
  if (ended || now === null)
    return stepsLeft === null ? past : `${past} about ${about(stepsLeft)} steps after step ${step}${range(interval)}`;
  if (!Number.isFinite(now.steps)) return `${past}, but does not rise now`;
  return `${gain} ${critical ? 'is forecast to' : 'may'} reach ${threshold} in about ${about(now.steps)} steps${range(now.interval)}`;
}

/** No warning is active. */
function quiet({ run, latest, link, now }: Facts): Reason {
  const reason = (level: Level, why: string, since: Verdict['since'] = null): Reason => ({ level, why: plainClause(why), since });
  const lost = reason('watch', 'the connection to gainwatch is lost', { step: null, time: link.since });
  if (run === null) return link.connected ? reason('unknown', 'no run is loaded') : lost;
  if (run.outcome === 'failed' || run.outcome === 'unknown') return reason('watch', `the run ${endOf(run)}`);
  if (!link.connected) return lost;
  if (latest === null) return reason('unknown', 'no step has been watched yet');
  const silent = Math.max(SILENT_SECONDS, SILENT_STEPS * latest.stepSeconds);
  if (run.live && (now - latest.time) / 1000 > silent)
    return reason('watch', 'the run has made no step for long', { step: latest.step, time: latest.time });
  if (isElsewhere(run))
    return reason('unknown', 'another process writes this run, or it was never closed; no warning holds in what is recorded');
  return reason('healthy', 'no warning is active');
}

// ── the connection within the words ──

/** Stands for the connection while the words around it are made. Names hold no such sign. */
const NAME = '\0';

/** Words that name no connection. */
const plainClause = (text: string): Clause => ({ before: text, connection: null, after: '' });

/** A connection that the words do not name follows them; what was recorded without a cause is shown by its message, as it is. */
function whyOf(warning: WarningAnswer, facts: Facts): Clause {
  const { cause, connection, message } = warning;
  if (cause == null) return { before: connection === null ? message : `${message} `, connection, after: '' };
  const words = wordsOf({ ...warning, cause: { ...cause, connection: cause.connection === null ? null : NAME } }, facts);
  if (connection === null) return plainClause(words);
  const [before, ...after] = words.split(NAME);
  return after.length === 0 ? { before: `${before}; `, connection, after: '' } : { before, connection, after: after.join(connection) };
}

/** "; block0.mlp grows most"; "" where the cause is of another kind. */
function growthWords({ cause }: WarningAnswer): string {
  const growth = cause == null ? null : growthClause(cause);
  return growth === null ? '' : `; ${growth}`;
}
