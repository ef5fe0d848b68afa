/** What happened in a run, from its series alone, whatever any detector said. */
import { MAX_GAIN, MAX_GAIN_CRITICAL, MIN_SEPARATION } from '../../alerts/limits.ts';
import type { Series } from './series.ts';

/** Steps that an event must last. Our choice: as many as the detectors' median has (alerts/trend.ts). */
const MIN_STEPS = 5;

export const EVENTS = ['gain 1000', 'gain 100', 'loss not finite', 'mHC gain n/2', 'mHC separation 0.05'] as const;
export type EventName = (typeof EVENTS)[number];

/** A value of each event. */
export const perEvent = <T>(of: (event: EventName) => T): Record<EventName, T> =>
  Object.fromEntries(EVENTS.map((event) => [event, of(event)])) as Record<EventName, T>;

/** @returns the step (from 1) from which on `holds` is true for five steps, or null */
export function firstLasting(steps: number, holds: (i: number) => boolean, lasts = MIN_STEPS): number | null {
  let run = 0;
  for (let i = 0; i < steps; i++) {
    run = holds(i) ? run + 1 : 0;
    if (run === lasts) return i + 2 - lasts;
  }
  return null;
}

const isHc = ({ spec }: Series) => spec.connection === 'hc' || spec.connection === 'hc-static';
const isMhc = ({ spec }: Series) => spec.connection === 'mhc' || spec.connection === 'mhc-deepseek';

/** The first step of the event, or null: it did not happen, or this kind of run cannot have it. */
export function eventOf(series: Series, event: EventName): number | null {
  const { steps, gain, loss, separation, header } = series;
  switch (event) {
    case 'gain 1000':
      return isHc(series) ? firstLasting(steps, (i) => gain[i] >= MAX_GAIN_CRITICAL) : null;
    case 'gain 100':
      return isHc(series) ? firstLasting(steps, (i) => gain[i] >= MAX_GAIN) : null;
    case 'loss not finite':
      return firstLasting(steps, (i) => !Number.isFinite(loss[i]), 1);
    case 'mHC gain n/2':
      // The exact direction has a gain of 1, so the larger one is the inexact one's.
      return isMhc(series) ? firstLasting(steps, (i) => gain[i] >= header.streams / 2) : null;
    case 'mHC separation 0.05':
      return isMhc(series) ? firstLasting(steps, (i) => separation[i] < MIN_SEPARATION) : null;
  }
}
