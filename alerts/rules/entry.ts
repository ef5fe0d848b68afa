/** The alerts and the runbook entry of a rule: types, and the words that many alerts share. */
import type { Severity } from '../../src/telemetry/warning.ts';

/** What the runbook says. */
export interface Entry {
  /** What it means, and what happens if nobody does anything. */
  means: string;
  /** Where to look, likeliest cause first. */
  look: string[];
  /** What to do. */
  act: string[];
}

export interface Alert {
  alert: string;
  /**
   * PromQL; the warning of the rule that holds, unless given. `predict_linear` is not used: it draws a line through gains that grow
   * exponentially, over time instead of steps.
   */
  expr?: string;
  /** The series' own label unless given. */
  severity?: Severity;
  /** None unless given: where a detector speaks, the hysteresis is its own. */
  for?: string;
  /** 2m unless given, null: none. Against flapping: a failed scrape ends every series, and a bare threshold has no hysteresis. */
  keepFiringFor?: string | null;
  /** Prometheus templates. */
  summary: string;
  description: string;
}

/** All of a rule but its detector: the alert that it raises, and what stands beside it. */
export interface RuleEntry extends Alert, Entry {
  /** Further alerts, by thresholds of their own. */
  thresholds?: Alert[];
  /** NaN is above nothing: the alert that speaks then. */
  pairedWith?: string;
}

/** In templates: the run and the connection of an alert, and the alert that stands beside each threshold. */
export const RUN = 'run {{ $labels.run }}';
export const LAYER = '{{ $labels.layer }}';
export const PAIRED = 'MhcNonfiniteValues';
