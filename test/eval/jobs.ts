/**
 * The parts of the evaluation, each of which can run by itself: gainwatch's detectors at one sensitivity, or one baseline,
 * tuned for each event. What goes in and comes out is plain data, so that a thread can do it.
 */
import type { GainForecast } from '../../alerts/shared.ts';
import { EDGES, LATCHED } from './baselines/alarms.ts';
import { BASELINES, type Variant } from './baselines/all.ts';
import { EVENTS, type EventName, eventOf, perEvent } from './events.ts';
import { alarmsFor, namesDisturbed, replay } from './replay.ts';
import { type Outcome, outcomeOf } from './score.ts';
import type { Series } from './series.ts';
import { apply, type Case, type Setting, tuneBaseline } from './tune.ts';

/** Most false alarms per 1000 healthy steps. */
export const BUDGETS = [0.1, 0.02] as const;
/**
 * The same on the tuning half, for the baselines: at least as many as gainwatch has there, and short of the budget, so that
 * the other half has room for bad luck. Of 100 there is no certain warning, so no second budget.
 */
export const LIMITS = { 'gain 1000': [0.075, 0.015], 'gain 100': [0.092] } as const;
/** Steps before an event of G = 1000 at which the forecast is looked at. */
export const AHEAD = [50, 100, 200] as const;

/** Events that the baselines are tuned for. The tuning half has too few of the others. */
export const COMPARED = ['gain 1000', 'gain 100'] as const;

export type Job = { kind: 'gainwatch'; sensitivity: number } | { kind: 'baseline'; name: string };

/** One outcome per run, in the order of the recordings. */
export interface Halves {
  tuning: Outcome[];
  heldOut: Outcome[];
}

export interface GainwatchResult {
  /** Where every warning of the event counts, and where only the critical ones do. */
  early: Record<EventName, Halves>;
  certain: Record<EventName, Halves>;
  /** Warnings of each event on the held-out half, false or not, and its steps. */
  alarms: Record<EventName, number>;
  steps: number;
  /** Of the held-out runs with a disturbed connection. */
  named: { kind: string; inTopThree: boolean | null }[];
  /** Of the held-out runs with an event of G = 1000. */
  forecasts: { ahead: (typeof AHEAD)[number]; forecast: GainForecast | null }[];
}

export type BaselineResult = Record<(typeof COMPARED)[number], Tuned>;

interface Tuned {
  /** As published; null: it has no settings of its own. */
  published: (Halves & { setting: string }) | null;
  /** By budget; null: no setting keeps it on the tuning half. */
  tuned: ((Halves & { setting: string }) | null)[];
}

const isHeldOut = ({ spec }: Series) => spec.split === 'held-out';

/** The tuning half is of interest at the sensitivity that is shipped, 1, only. */
export function runGainwatch(all: readonly Series[], sensitivity: number): GainwatchResult {
  const byEvent = () => perEvent((): Halves => ({ tuning: [], heldOut: [] }));
  const result: GainwatchResult = { early: byEvent(), certain: byEvent(), alarms: perEvent(() => 0), steps: 0, named: [], forecasts: [] };
  for (const series of sensitivity === 1 ? all : all.filter(isHeldOut)) {
    const blowUp = eventOf(series, 'gain 1000');
    const asked = blowUp === null ? [] : AHEAD.map((ahead) => blowUp - ahead);
    const { warnings, forecasts } = replay(series, sensitivity, asked);
    const half = isHeldOut(series) ? 'heldOut' : 'tuning';
    for (const event of EVENTS) {
      const at = event === 'gain 1000' ? blowUp : eventOf(series, event);
      const early = alarmsFor(event, series, warnings, false);
      result.early[event][half].push(outcomeOf(series.steps, at, early));
      result.certain[event][half].push(outcomeOf(series.steps, at, alarmsFor(event, series, warnings, true)));
      if (half === 'heldOut') result.alarms[event] += early.length;
    }
    if (half === 'tuning') continue;
    result.steps += series.steps;
    const { disturbance } = series.spec;
    if (disturbance !== undefined) result.named.push({ kind: disturbance.kind, inTopThree: namesDisturbed(series, warnings) });
    // A run may be younger than that at its event.
    asked.forEach((step, k) => {
      if (step > 0) result.forecasts.push({ ahead: AHEAD[k], forecast: forecasts[k] });
    });
  }
  return result;
}

function runBaseline(all: readonly Series[], name: string): BaselineResult {
  const baseline = BASELINES.find((candidate) => candidate.name === name);
  if (baseline === undefined) throw new Error(`there is no baseline ${name}`);
  const { published } = baseline;
  const variants = baseline.variants.map(remembered);
  const asPublished = variants.find(({ label }) => label === published?.variant);
  const resultOf = (event: (typeof COMPARED)[number]): Tuned => {
    const cases = all.map((series): Case => ({ series, event: eventOf(series, event) }));
    const tuning = cases.filter(({ series }) => !isHeldOut(series));
    const heldOut = cases.filter(({ series }) => isHeldOut(series));
    const scored = (setting: Setting, words: string) => ({
      setting: words,
      tuning: apply(tuning, setting),
      heldOut: apply(heldOut, setting),
    });
    return {
      published:
        published === null || asPublished === undefined
          ? null
          : scored({ ...asPublished, latching: EDGES, threshold: published.threshold }, asPublished.label),
      tuned: tuneBaseline(tuning, variants, [EDGES, LATCHED], LIMITS[event]).map((setting) =>
        setting === null ? null : scored(setting, wordsOf(setting)),
      ),
    };
  };
  return { 'gain 1000': resultOf('gain 1000'), 'gain 100': resultOf('gain 100') };
}

const wordsOf = ({ label, latching, threshold }: Setting) =>
  `${label}, ${latching === EDGES ? 'edges' : 'latched'}, ≥ ${Number(threshold.toPrecision(4))}`;

/** Computes the score of each run once, whatever the event. */
function remembered({ label, score }: Variant): Variant {
  const known = new Map<Series, Float64Array>();
  return {
    label,
    score: (series) => {
      const values = known.get(series) ?? score(series);
      known.set(series, values);
      return values;
    },
  };
}

/** @throws Error where there is no baseline of that name */
export function runJob(all: readonly Series[], job: Job): GainwatchResult | BaselineResult {
  return job.kind === 'gainwatch' ? runGainwatch(all, job.sensitivity) : runBaseline(all, job.name);
}
