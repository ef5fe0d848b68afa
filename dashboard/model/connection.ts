/** The panel of one connection as plain data: which one is open, its numbers as text. Its lines are spark.ts. Pure. */
import type { Bound } from '../../src/telemetry/sample.ts';
import { badness } from './bands.ts';
import { shown } from './format.ts';

/** Measures of a connection, in the order of the panel. */
export const MEASURES_SHOWN: [key: string, label: string][] = [
  ['forwardGain', 'forward gain'],
  ['backwardGain', 'backward gain'],
  ['compositeForwardGain', 'composite forward gain'],
  ['compositeBackwardGain', 'composite backward gain'],
  ['rowDeviation', 'row deviation'],
  ['columnDeviation', 'column deviation'],
  ['negativity', 'negativity'],
  ['logitRange', 'logit range'],
  ['routingEntropy', 'routing entropy'],
  ['separation', 'separation'],
  ['streamNormRatio', 'stream norm ratio'],
  ['effectiveRank', 'effective rank'],
  ['activationGain', 'activation gain'],
  ['gradientGain', 'gradient gain'],
];

const BOUND_WORDS: Record<Bound, string> = {
  doubly: 'rows and columns sum to 1',
  rows: 'rows sum to 1',
  columns: 'columns sum to 1',
  spectral: 'spectral norm at most 1',
  none: 'unbounded',
};

/** What bounds a connection, for people. */
export const boundWords = (bound: Bound): string => BOUND_WORDS[bound];

interface Known {
  /** What was asked for; null: nothing. */
  open: string | null;
  /** Of the connections, from input to output. */
  names: readonly string[];
  /** Oldest first. */
  warnings: readonly { suspects: readonly string[] }[];
  /** Of the newest step, one for each connection; empty: none yet. */
  gains: readonly number[];
  /** What was open before by itself. */
  before: string | null;
}

/** A gain must be so many times larger for the panel to move to it by itself. Our choice: else a reader is interrupted at each step. */
const MIN_LEAD = 1.1;

/** The open connection, else the first suspect of the newest warning, else the one with the largest gain; null: there is none. */
export function openOf({ open, names, warnings, gains, before }: Known): string | null {
  if (open !== null && names.includes(open)) return open;
  const suspect = warnings.findLast(({ suspects }) => names.includes(suspects[0]))?.suspects[0];
  if (suspect !== undefined) return suspect;
  const size = (l: number) => badness(gains[l] ?? null);
  const worst = names.reduce((most, _, l) => (size(l) > size(most) ? l : most), 0);
  const last = before === null ? -1 : names.indexOf(before);
  return names[last >= 0 && !(size(worst) > MIN_LEAD * size(last)) ? last : worst] ?? null;
}

/** The connection `by` farther, around the ends. */
export const neighbour = (names: readonly string[], name: string, by: number): string =>
  names[(names.indexOf(name) + by + names.length) % names.length] ?? name;

/** False where a run sends measures only: its matrices hold nothing, and yet no value is counted that is not finite. */
export const hasMatrix = (values: readonly number[], nonfinite: number): boolean => nonfinite > 0 || !values.every(Number.isNaN);

/** A true minus, as long as a plus. */
export function signed(value: number, digits: number): string {
  if (!Number.isFinite(value)) return shown(value);
  const text = Math.abs(value).toFixed(digits);
  return value < 0 && Number(text) !== 0 ? `−${text}` : text;
}

/** Where a sum is so near to 1 that its digits would not show it, its distance: "1 − 2.4e-8". */
export function aroundOne(value: number): string {
  const distance = value - 1;
  if (!Number.isFinite(value) || Math.abs(distance) >= 0.001) return signed(value, 3);
  if (distance === 0) return '1';
  return `1 ${distance < 0 ? '−' : '+'} ${Math.abs(distance).toExponential(1)}`;
}

/** A measure that this connection does not have is NaN; one that came out as NaN goes with values that are not finite. */
export const measureText = (value: number, nonfinite: number): string => (Number.isNaN(value) && nonfinite === 0 ? '–' : shown(value));

/** Largest absolute value that is finite; 0 where there is none. */
export const largestEntry = (values: readonly number[]): number =>
  values.reduce((most, value) => (Number.isFinite(value) ? Math.max(most, Math.abs(value)) : most), 0);

/** The smallest and the largest of some sums: "0.98 to 1 + 1.2e-7". */
export function rangeText(sums: readonly number[]): string {
  const [low, high] = [Math.min(...sums), Math.max(...sums)];
  return low === high ? aroundOne(low) : `${aroundOne(low)} to ${aroundOne(high)}`;
}

/** Sums of the rows and of the columns of an n × n matrix, row-major. */
export function sumsOf(values: readonly number[], n: number): { rows: number[]; columns: number[] } {
  const rows = new Array<number>(n).fill(0);
  const columns = new Array<number>(n).fill(0);
  values.forEach((value, at) => {
    rows[Math.floor(at / n)] += value;
    columns[at % n] += value;
  });
  return { rows, columns };
}
