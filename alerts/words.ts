/**
 * What the words of several rules have in common: of messages what they are given, and phrases; of alerts and the runbook what a
 * rule's entry is, and templates. The words of a rule stand in its file in detectors/.
 */
import type { CauseFigures, CauseKind, Severity, Warning } from '../src/telemetry/warning.ts';
import type { WireNumber } from '../src/telemetry/wire.ts';

/** A warning, or an answer of the HTTP interface, as far as its words need it. */
export type WarningFacts = Pick<Warning, 'run' | 'severity' | 'step' | 'measure' | 'threshold' | 'stepsLeft' | 'interval' | 'cause'> & {
  value: WireNumber;
};

/** What the words of one kind of cause are given. */
export interface Given<Figures> {
  facts: Omit<WarningFacts, 'value'> & { value: number };
  figures: Figures;
  /** Of the connection. */
  name: string | null;
  /** "The", " of run NAME" and "Run NAME" in a message; "the", "" and "the run" in a clause. */
  the: string;
  of: string;
  run: string;
}

/** The reason as a clause, and what to do where that is short enough to be said at once. */
export type Words = [clause: string, advice?: string];

/** The words of each kind of cause that a rule has. */
export type WordsOf<Kinds extends CauseKind> = { readonly [K in Kinds]: (given: Given<CauseFigures[K]>) => Words };

/** "in about 120 steps (90 to 180)". */
export function stepsPhrase({ stepsLeft, interval }: Pick<Warning, 'stepsLeft' | 'interval'>): string {
  if (stepsLeft === null || interval === null) return 'at a time that cannot be told yet';
  const [low, high] = interval;
  return `in about ${stepsLeft} steps (${high === null ? `${low} or more` : `${low} to ${high}`})`;
}

/** "1.88 × its recent mean, the median connection's 1.02 ×". */
export const growthPhrase = ({ growth, usualGrowth }: CauseFigures['runaway']): string =>
  `${digits(growth)} × its recent mean, the median connection's ${digits(usualGrowth)} ×`;

const SCALARS: Record<string, string> = { compositeGain: 'composite gain', loss: 'loss', gradientNorm: 'gradient norm' };

/** The name of the scalar of the run that a warning looked at. */
export const scalarPhrase = ({ measure }: Pick<Warning, 'measure'>): string =>
  Object.hasOwn(SCALARS, measure) ? SCALARS[measure] : measure;

/** Three significant digits. */
export const digits = (value: number): string => (Number.isFinite(value) ? String(Number(value.toPrecision(3))) : String(value));

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
