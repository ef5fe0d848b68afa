/** The verdict on a run: is it healthy, why not, which connection, how long is left. Pure: asks nobody, draws nothing, has no clock. */
import type { RunDetail, StepAnswer, WarningAnswer } from '../../src/telemetry/api.ts';
import type { RuleName } from '../../src/telemetry/warning.ts';
import { fromWire } from './format.ts';
import { forecastOf, leftOf, type StepsLeft } from './stepsLeft.ts';
import { about, long, range } from './words.ts';

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

export interface Verdict {
  level: Level;
  word: string;
  /** The reason, a clause without a full stop. */
  why: string;
  connection: string | null;
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

/** A live run without a step for as long is silent: seconds, and times the duration of a step. */
const SILENT_SECONDS = 60;
const SILENT_STEPS = 30;

const WORDS: Record<Level, string> = { healthy: 'Healthy', watch: 'Watch', act: 'Act', unknown: 'Unknown' };

/** Which warning is told first, of those of one severity. */
const ORDER: readonly RuleName[] = ['nonfinite', 'stalled', 'gain-forecast', 'collapse', 'runaway-connection', 'deviation-drift'];

const ENDS = {
  completed: 'completed',
  interrupted: 'was interrupted',
  failed: 'failed with an error of the training',
  unknown: 'ended without saying how',
};

interface Reason {
  level: Level;
  why: string;
  connection?: string | null;
  since?: Verdict['since'];
}

export function verdictOf(facts: Facts): Verdict {
  const { run, latest, warnings, now } = facts;
  const active = warnings.filter((w) => w.active && w.severity !== 'info').sort(compare);
  const broken = run === null || latest === null ? null : brokenOf(run, latest);
  const [first] = active;
  const told = broken === null ? first : active.find(({ rule }) => rule === 'nonfinite');
  const reason = broken ?? (first === undefined ? quiet(facts) : reasonOf(first, facts));
  return {
    level: reason.level,
    word: WORDS[reason.level],
    why: reason.why,
    connection: reason.connection ?? null,
    stepsLeft: broken === null && latest !== null ? leftOf(first, latest) : null,
    since: told === undefined ? (reason.since ?? null) : { step: told.step, time: told.time },
    knownSince: told?.acknowledgedTime ?? null,
    others: active.length - (told === undefined ? 0 : 1),
    ended: endOf(run),
    age: latest === null ? null : Math.max(0, (now - latest.time) / 1000),
  };
}

/** The most urgent first: critical, not known yet, by rule, of the gain the higher threshold, the older. */
function compare(a: WarningAnswer, b: WarningAnswer): number {
  const critical = (w: WarningAnswer) => (w.severity === 'critical' ? 0 : 1);
  const known = (w: WarningAnswer) => (w.acknowledgedTime == null ? 0 : 1);
  const place = (w: WarningAnswer) => (ORDER.includes(w.rule) ? ORDER.indexOf(w.rule) : ORDER.length);
  const threshold = (w: WarningAnswer) => (w.rule === 'gain-forecast' ? -w.threshold : 0);
  return critical(a) - critical(b) || known(a) - known(b) || place(a) - place(b) || threshold(a) - threshold(b) || a.step - b.step;
}

export function endOf(run: Pick<RunDetail, 'outcome' | 'uploaded'> | null): string | null {
  if (run === null) return null;
  if (run.outcome !== null) return ENDS[run.outcome];
  return run.uploaded ? 'was uploaded without its end' : null;
}

/** Another process writes it, or it was never closed. */
export const isElsewhere = (run: Pick<RunDetail, 'live' | 'outcome' | 'uploaded'> | null): boolean =>
  run !== null && !run.live && !run.uploaded && run.outcome === null;

/** Every threshold is blind to NaN, so this is asked apart from the warnings. */
function brokenOf(run: RunDetail, latest: StepAnswer): Reason | null {
  const since = { step: latest.step, time: latest.time };
  const [where] = latest.nonfinite.flatMap((count, l) => (count > 0 ? [{ count, name: run.connections[l]?.name ?? null }] : []));
  if (where !== undefined)
    return { level: 'act', why: `${where.name} holds ${where.count} NaN or infinite values`, connection: where.name, since };
  const values = {
    'composite gain': latest.compositeGain,
    loss: latest.loss,
    'gradient norm': latest.gradientNorm,
    'learning rate': latest.learningRate,
  };
  for (const [name, value] of Object.entries(values)) {
    if (value == null || Number.isFinite(fromWire(value))) continue;
    return { level: 'act', why: `the ${name} is ${Number.isNaN(fromWire(value)) ? 'NaN' : 'infinite'}`, since };
  }
  return null;
}

function reasonOf(warning: WarningAnswer, facts: Facts): Reason {
  const level = warning.severity === 'critical' ? 'act' : 'watch';
  return { level, why: whyOf(warning, facts), connection: warning.connection };
}

/** As it is now, where that is known; else as it was when the warning was raised. */
function whyOf(
  { run: name, rule, threshold, severity, stepsLeft, interval, step, message }: WarningAnswer,
  { run, latest, now: time }: Facts,
): string {
  const ended = endOf(run) !== null;
  if (rule === 'stalled' && latest !== null && !ended) return `the run has made no step for ${long((time - latest.time) / 1000)}`;
  if (rule !== 'gain-forecast') return plain(message, name);
  const named = message.includes('; ') ? `; ${message.slice(message.lastIndexOf('; ') + 2).replace(/\.$/, '')}` : '';
  const critical = severity === 'critical';
  const now = forecastOf(latest, threshold);
  const gain = 'the composite gain';
  if (now !== null && now.steps === 0) return `${gain} has reached ${threshold}${named}`;
  const past = `${gain} ${critical ? 'was forecast to' : 'might'} reach ${threshold}`;
  if (ended && now !== null && Number.isFinite(now.steps))
    return `${past} in about ${about(now.steps)} steps${range(now.interval)} when it ended${named}`;
  if (ended || now === null)
    return stepsLeft === null ? past + named : `${past} about ${about(stepsLeft)} steps after step ${step}${range(interval)}${named}`;
  if (!Number.isFinite(now.steps)) return `${past}, but does not rise now${named}`;
  return `${gain} ${critical ? 'is forecast to' : 'may'} reach ${threshold} in about ${about(now.steps)} steps${range(now.interval)}${named}`;
}

/** The first sentence of a message, as a clause, without the name of the run: it stands elsewhere. */
function plain(message: string, run: string): string {
  const text = message.replace(` of run ${run}`, '').replace(`Run ${run} `, 'the run ');
  const [sentence] = text.split(/\.(?= [A-Z]|$)/);
  return sentence.replace(/^The /, 'the ');
}

/** No warning is active. */
function quiet({ run, latest, link, now }: Facts): Reason {
  const lost: Reason = { level: 'watch', why: 'the connection to gainwatch is lost', since: { step: null, time: link.since } };
  if (run === null) return link.connected ? { level: 'unknown', why: 'no run is loaded' } : lost;
  if (run.outcome === 'failed' || run.outcome === 'unknown') return { level: 'watch', why: `the run ${ENDS[run.outcome]}` };
  if (!link.connected) return lost;
  if (latest === null) return { level: 'unknown', why: 'no step has been watched yet' };
  const silent = Math.max(SILENT_SECONDS, SILENT_STEPS * latest.stepSeconds);
  if (run.live && (now - latest.time) / 1000 > silent)
    return { level: 'watch', why: 'the run has made no step for long', since: { step: latest.step, time: latest.time } };
  if (isElsewhere(run))
    return { level: 'unknown', why: 'another process writes this run, or it was never closed; no warning holds in what is recorded' };
  return { level: 'healthy', why: 'no warning is active' };
}
