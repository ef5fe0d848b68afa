/** Puts the evaluation together: what there is to run, and the rows that come of it. Neither runs nor prints anything. */
import { seededRandom } from '../../src/model/random.ts';
import { BASELINES } from './baselines/all.ts';
import { EVENTS, type EventName, eventOf, perEvent } from './events.ts';
import { type BaselineResult, BUDGETS, COMPARED, type GainwatchResult, type Halves, type Job, LIMITS } from './jobs.ts';
import { bootstrap, LATEST, type Outcome, outcomeOf, type Score, scoreOf } from './score.ts';
import type { Series } from './series.ts';
import type { Result } from './threads.ts';

/** 1 is what is shipped. */
const SENSITIVITIES = [1, 0.25, 0.35, 0.5, 0.7, 1.4, 2, 2.8, 4];
/** Times that the random control is drawn. */
const DRAWS = 20;

export interface Row {
  name: string;
  setting: string;
  outcomes: Outcome[];
  /** On the tuning half; null: nothing was tuned. */
  tuning: Outcome[] | null;
}

export interface Comparison {
  event: EventName;
  /** By budget: gainwatch first. */
  budgets: { budget: number; rows: Row[]; silent: string[] }[];
  published: Row[];
  controls: Row[];
}

export interface Evaluation {
  /** `early`: events of G = 1000 before step 51, of which no warning can be true. */
  corpus: { half: string; runs: number; steps: number; disturbed: number; events: Record<EventName, number>; early: number }[];
  comparisons: Comparison[];
  others: { event: EventName; row: Row }[];
  named: GainwatchResult['named'];
  forecasts: GainwatchResult['forecasts'];
  curve: { sensitivity: number; early: Score; certain: Score }[];
}

/** All parts of the evaluation: every baseline, and gainwatch at each sensitivity. */
export function planJobs(): Job[] {
  const gainwatch = SENSITIVITIES.map((sensitivity): Job => ({ kind: 'gainwatch', sensitivity }));
  return [...BASELINES.map(({ name }): Job => ({ kind: 'baseline', name })), ...gainwatch];
}

/** @param results of `planJobs()`, in its order */
export function evaluationOf(all: readonly Series[], jobs: readonly Job[], results: readonly Result[]): Evaluation {
  const at = (sensitivity: number) =>
    results[jobs.findIndex((job) => job.kind === 'gainwatch' && job.sensitivity === sensitivity)] as GainwatchResult;
  const shipped = at(1);
  const heldOut = all.filter(({ spec }) => spec.split === 'held-out');
  const comparisons = COMPARED.map((event): Comparison => {
    const baselines = BASELINES.map(({ name }) => ({
      name,
      result: (results[jobs.findIndex((job) => job.kind === 'baseline' && job.name === name)] as BaselineResult)[event],
    }));
    const budgets = BUDGETS.slice(0, LIMITS[event].length).map((budget, b) => {
      const ours =
        b === 0 ? rowOf('gainwatch', 'every warning', shipped.early[event]) : rowOf('gainwatch', 'critical only', shipped.certain[event]);
      const tuned = baselines.flatMap(({ name, result }) => {
        const halves = result.tuned[b];
        return halves === null ? [] : [rowOf(name, halves.setting, halves)];
      });
      const silent = baselines.filter(({ result }) => result.tuned[b] === null).map(({ name }) => name);
      return { budget, rows: [ours, ...tuned], silent };
    });
    const published = baselines.flatMap(({ name, result }) =>
      result.published === null ? [] : [rowOf(name, result.published.setting, result.published)],
    );
    const events = heldOut.map((series) => ({ steps: series.steps, event: eventOf(series, event) }));
    const silence = events.map(({ steps, event: step }) => outcomeOf(steps, step, []));
    const noise = atRandom(events, shipped.alarms[event] / shipped.steps);
    const controls = [
      { name: 'never', setting: '', outcomes: silence, tuning: null },
      { name: 'at random', setting: `as many alarms, ${DRAWS} draws`, outcomes: noise, tuning: null },
    ];
    return { event, budgets, published, controls };
  });
  const rest = EVENTS.filter((event) => !(COMPARED as readonly EventName[]).includes(event));
  return {
    corpus: (['tuning', 'held-out'] as const).map((half) => corpusOf(half, all)),
    comparisons,
    others: rest.map((event) => ({ event, row: rowOf('gainwatch', 'every warning', shipped.early[event]) })),
    named: shipped.named,
    forecasts: shipped.forecasts,
    curve: [...SENSITIVITIES]
      .sort((a, b) => a - b)
      .map((sensitivity) => ({
        sensitivity,
        early: scoreOf(at(sensitivity).early['gain 1000'].heldOut),
        certain: scoreOf(at(sensitivity).certain['gain 1000'].heldOut),
      })),
  };
}

function rowOf(name: string, setting: string, { tuning, heldOut }: Halves): Row {
  return { name, setting, outcomes: heldOut, tuning };
}

function corpusOf(half: 'tuning' | 'held-out', all: readonly Series[]): Evaluation['corpus'][number] {
  const runs = all.filter(({ spec }) => spec.split === half);
  return {
    half,
    runs: runs.length,
    steps: runs.reduce((sum, { steps }) => sum + steps, 0),
    disturbed: runs.filter(({ spec }) => spec.disturbance !== undefined).length,
    events: perEvent((event) => runs.filter((series) => eventOf(series, event) !== null).length),
    early: runs.filter((series) => (eventOf(series, 'gain 1000') ?? Number.POSITIVE_INFINITY) <= LATEST).length,
  };
}

/** Every step raises an alarm with the same probability. */
function atRandom(runs: readonly { steps: number; event: number | null }[], probability: number): Outcome[] {
  const random = seededRandom(1);
  const draw = () =>
    runs.map(({ steps, event }) => {
      const alarms = Array.from({ length: steps }, (_, i) => i + 1).filter(() => random() < probability);
      return outcomeOf(steps, event, alarms);
    });
  return Array.from({ length: DRAWS }, draw).flat();
}

/** How many times as long a figure of one row is as that of another, with its 90 % interval over the same drawn runs. */
export function ratioOf(row: Row, than: Row, figure: keyof Score): { ratio: number; spread: [number, number] } {
  const pairs = row.outcomes.map((outcome, i): [Outcome, Outcome] => [outcome, than.outcomes[i]]);
  const ratio = (drawn: [Outcome, Outcome][]) => scoreOf(drawn.map(([a]) => a))[figure] / scoreOf(drawn.map(([, b]) => b))[figure];
  return { ratio: ratio(pairs), spread: bootstrap(pairs, ratio) };
}

/** The row with the highest figure, gainwatch's left out. */
export function bestBaseline(rows: readonly Row[], figure: keyof Score): Row {
  const [, ...baselines] = rows;
  return baselines.reduce((best, row) => (scoreOf(row.outcomes)[figure] > scoreOf(best.outcomes)[figure] ? row : best));
}
