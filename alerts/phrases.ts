/**
 * What the words of several rules have in common: what they are given, and phrases. The words of a rule stand in its file in
 * detectors/.
 */
import type { CauseFigures, CauseKind, Warning } from '../src/telemetry/warning.ts';
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
export const scalarPhrase = ({ measure }: Pick<Warning, 'measure'>): string => SCALARS[measure] ?? measure;

/** Three significant digits. */
export const digits = (value: number): string => (Number.isFinite(value) ? String(Number(value.toPrecision(3))) : String(value));
