/** The steps of one run that the charts show: what the server had, reduced, and every step since. Plain data. */
import type { RunDetail, SeriesAnswer, StepAnswer } from '../src/telemetry/api.ts';
import type { MeasureKey } from '../src/telemetry/catalogue.ts';
import { fromWire } from './format.ts';

/** Points asked for; beyond twice as many the series are asked for again. */
export const POINTS = 800;

export const SHOWN_MEASURES = [
  'compositeForwardGain',
  'compositeBackwardGain',
  'forwardGain',
  'backwardGain',
  'rowDeviation',
  'columnDeviation',
] as const satisfies readonly MeasureKey[];
export type ShownMeasure = (typeof SHOWN_MEASURES)[number];
export const SHOWN_SCALARS = ['loss', 'gradientNorm'] as const;
type ShownScalar = (typeof SHOWN_SCALARS)[number];

export interface Point {
  x: number;
  y: number;
}

export interface History {
  detail: RunDetail;
  latest: StepAnswer | null;
  lastStep: number;
  /** By connection. */
  measures: Record<ShownMeasure, Point[][]>;
  scalars: Record<ShownScalar, Point[]>;
}

/** The maximum of each point: what a spike is seen by. */
export function pointsOf(answer: SeriesAnswer): Point[][] {
  return answer.series.map(({ max }) => max.map((value, i) => ({ x: answer.steps[i], y: fromWire(value) })));
}

export function createHistory(detail: RunDetail, latest: StepAnswer | null, answers: SeriesAnswer[]): History {
  const byMeasure = Object.fromEntries(answers.map((answer) => [answer.measure, answer])) as Record<string, SeriesAnswer>;
  const measures = Object.fromEntries(SHOWN_MEASURES.map((key) => [key, pointsOf(byMeasure[key])])) as History['measures'];
  const scalars = Object.fromEntries(SHOWN_SCALARS.map((key) => [key, pointsOf(byMeasure[key])[0] ?? []])) as History['scalars'];
  return { detail, latest, lastStep: scalars.loss.at(-1)?.x ?? -1, measures, scalars };
}

/** @returns false: the step does not follow, or there are too many points: load again */
export function addStep(history: History, step: StepAnswer): boolean {
  if (step.attempt !== history.detail.attempt) return false;
  if (step.step <= history.lastStep) return true; // the series had it
  history.lastStep = step.step;
  history.latest = step;
  for (const key of SHOWN_MEASURES) {
    history.measures[key].forEach((points, l) => {
      points.push({ x: step.step, y: fromWire(step.measures[key][l]) });
    });
  }
  for (const key of SHOWN_SCALARS) history.scalars[key].push({ x: step.step, y: fromWire(step[key]) });
  return history.scalars.loss.length <= 2 * POINTS;
}
