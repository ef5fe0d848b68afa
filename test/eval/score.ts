/** Scores alarms against events: recall, lead, false alarms. Knows no detector. */
import { seededRandom } from '../../src/model/random.ts';

/** Steps before an event from which on an alarm is true, and before which it is late. */
const EARLIEST = 2000;
export const LATEST = 50;
/** Steps after a false alarm in which another is not counted. */
const REFRACTORY = 200;
/** An event after this step counts as late in the run. */
const LATE_EVENT = 1000;

/** What one run gave. */
export interface Outcome {
  steps: number;
  /** First step of the event; null: none. */
  event: number | null;
  /** Steps between the first true alarm and the event; 0: missed. */
  lead: number;
  /** `lead` as a share of what was possible: from the run's first step, or from 2000 steps before. */
  share: number;
  falseAlarms: number;
  healthySteps: number;
}

/** @param alarms steps at which an alarm was raised, rising */
export function outcomeOf(steps: number, event: number | null, alarms: readonly number[]): Outcome {
  const end = event ?? Number.POSITIVE_INFINITY;
  let falseAlarms = 0;
  let counted = Number.NEGATIVE_INFINITY;
  let lead = 0;
  for (const alarm of alarms) {
    if (alarm > end - LATEST) break;
    if (alarm >= end - EARLIEST) {
      lead = end - alarm;
      break;
    }
    if (alarm - counted <= REFRACTORY) continue;
    falseAlarms++;
    counted = alarm;
  }
  const possible = event === null ? 0 : Math.min(EARLIEST, event - 1);
  const healthySteps = event === null ? steps : Math.max(0, event - EARLIEST - 1);
  return { steps, event, lead, share: possible > 0 ? lead / possible : 0, falseAlarms, healthySteps };
}

export interface Score {
  events: number;
  recall: number;
  /** Per 1000 healthy steps. */
  falseAlarms: number;
  /** True alarms of all that count. */
  precision: number;
  /** Of all events, a missed one has a lead of 0. */
  medianLead: number;
  p10Lead: number;
  medianShare: number;
  lateEvents: number;
  lateMedianLead: number;
}

export function scoreOf(outcomes: readonly Outcome[]): Score {
  const withEvent = outcomes.filter(({ event }) => event !== null);
  const late = withEvent.filter(({ event }) => (event ?? 0) > LATE_EVENT);
  const found = withEvent.filter(({ lead }) => lead > 0).length;
  const wrong = sum(outcomes, ({ falseAlarms }) => falseAlarms);
  const leads = withEvent.map(({ lead }) => lead);
  const shares = withEvent.map(({ share }) => share);
  const lateLeads = late.map(({ lead }) => lead);
  return {
    events: withEvent.length,
    recall: found / withEvent.length,
    falseAlarms: (1000 * wrong) / sum(outcomes, ({ healthySteps }) => healthySteps),
    precision: found / (found + wrong),
    medianLead: quantile(leads, 0.5),
    p10Lead: quantile(leads, 0.1),
    medianShare: quantile(shares, 0.5),
    lateEvents: late.length,
    lateMedianLead: quantile(lateLeads, 0.5),
  };
}

/** Linear between the sorted values; NaN of none. */
export function quantile(values: readonly number[], p: number): number {
  if (values.length === 0) return Number.NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const at = p * (sorted.length - 1);
  const low = Math.floor(at);
  const above = sorted[Math.min(low + 1, sorted.length - 1)];
  // Equal neighbours first: Infinity − Infinity is no number.
  return sorted[low] === above ? above : sorted[low] + (at - low) * (above - sorted[low]);
}

function sum<T>(list: readonly T[], of: (item: T) => number): number {
  return list.reduce((total, item) => total + of(item), 0);
}

/** 90 % interval of a figure when the runs are drawn anew with replacement; the same at every call. */
export function bootstrap<T>(runs: readonly T[], figure: (drawn: T[]) => number, draws = 1000): [low: number, high: number] {
  const random = seededRandom(1);
  const values: number[] = [];
  for (let draw = 0; draw < draws; draw++) {
    const value = figure(runs.map(() => runs[Math.floor(random() * runs.length)]));
    if (!Number.isNaN(value)) values.push(value);
  }
  return [quantile(values, 0.05), quantile(values, 0.95)];
}
