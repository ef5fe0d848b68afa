/** What a sender found of its connections at the start, as rows of a table: those with findings first. Pure. */
import type { SelfTestEntry } from '../../src/telemetry/selfTest.ts';
import { fromWire } from '../../src/telemetry/wire.ts';
import { shown } from './format.ts';

/** Columns behind the connection. */
export const SELF_TEST_COLUMNS: readonly { label: string; title: string; text(entry: SelfTestEntry): string }[] = [
  { label: 'findings', title: 'what is wrong', text: ({ findings }) => findings.join(' · ') || '–' },
  { label: 'mixing', title: 'how H_res begins', text: ({ mixing }) => mixing ?? '–' },
  {
    label: 'sensitivity',
    title: 'norm of the gradient of H_res by its logits; 0: it can never learn',
    text: (entry) => number(entry.sensitivity),
  },
  { label: 'gain', title: 'forward gain of H_res', text: (entry) => number(entry.forward_gain) },
  { label: 'row deviation', title: 'largest |row sum − 1|', text: (entry) => number(entry.row_deviation) },
  { label: 'column deviation', title: 'largest |column sum − 1|', text: (entry) => number(entry.column_deviation) },
  { label: 'stored as', title: 'H: applied as it is; comb: transposed', text: ({ orientation }) => orientation ?? '–' },
  { label: 'dtype', title: 'of its parameters', text: ({ dtype }) => dtype ?? '–' },
];

const number = (value: SelfTestEntry['sensitivity']): string => (value === null ? '–' : shown(fromWire(value), 4));

/** In the order of the connections; those with findings first. */
export function selfTestRows(entries: readonly SelfTestEntry[], names: readonly string[]): SelfTestEntry[] {
  const place = new Map(names.map((name, l) => [name, l]));
  const at = ({ connection }: SelfTestEntry) => place.get(connection) ?? names.length;
  const isFine = ({ findings }: SelfTestEntry) => Number(findings.length === 0);
  return [...entries].sort((a, b) => isFine(a) - isFine(b) || at(a) - at(b));
}
