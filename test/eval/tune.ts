/**
 * Chooses a detector's variant and threshold on the tuning half: of the settings whose false alarms keep the budget, the
 * one with the highest recall, then the longest median lead over events after step 1000, then the largest share.
 */
import { alarmsOf, type Latching } from './baselines/alarms.ts';
import type { Variant } from './baselines/all.ts';
import { type Outcome, outcomeOf, type Score, scoreOf } from './score.ts';
import type { Series } from './series.ts';

/** A run and the first step of its event. */
export interface Case {
  series: Series;
  event: number | null;
}

/** Quantiles of a run's scores that are tried as thresholds. */
const QUANTILES = [0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 1];

export type Setting = Variant & { latching: Latching; threshold: number };

/** @returns for each limit (false alarms per 1000 healthy steps) the best setting; null where none keeps it */
export function tuneBaseline(
  cases: readonly Case[],
  variants: readonly Variant[],
  latchings: readonly Latching[],
  limits: readonly number[],
): (Setting | null)[] {
  const best = limits.map(() => null as { setting: Setting; score: Score } | null);
  for (const { label, score: scorer } of variants) {
    const scores = cases.map(({ series }) => scorer(series));
    const highest = scores.map((values) => values.reduce((a, b) => (Number.isNaN(b) ? a : Math.max(a, b)), Number.NEGATIVE_INFINITY));
    for (const threshold of thresholdsOf(scores)) {
      for (const latching of latchings) {
        const score = scoreOf(
          cases.map(({ series, event }, i) =>
            outcomeOf(series.steps, event, highest[i] >= threshold ? alarmsOf(scores[i], threshold, latching) : []),
          ),
        );
        limits.forEach((limit, b) => {
          if (score.falseAlarms > limit || !isBetter(score, best[b]?.score)) return;
          best[b] = { setting: { label, score: scorer, latching, threshold }, score };
        });
      }
    }
  }
  return best.map((found) => found?.setting ?? null);
}

function thresholdsOf(scores: readonly Float64Array[]): number[] {
  const all = scores.flatMap((values) => {
    const finite = [...values.filter(Number.isFinite)].sort((a, b) => a - b);
    return finite.length === 0 ? [] : QUANTILES.map((p) => finite[Math.round(p * (finite.length - 1))]);
  });
  return [...new Set(all)];
}

/** By recall, then lead over late events, then share; a tie is not better. */
export function isBetter(score: Score, than: Score | undefined): boolean {
  if (than === undefined) return true;
  const order = (s: Score) => [s.recall, s.lateMedianLead || 0, s.medianShare];
  const [a, b] = [order(score), order(than)];
  const k = a.findIndex((value, i) => value !== b[i]);
  return k >= 0 && a[k] > b[k];
}

/** Outcomes of a setting. */
export function apply(cases: readonly Case[], { score, threshold, latching }: Setting): Outcome[] {
  return cases.map(({ series, event }) => outcomeOf(series.steps, event, alarmsOf(score(series), threshold, latching)));
}
