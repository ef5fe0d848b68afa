/** The columns of the table of runs and their order. Pure: draws nothing. */
import type { RunSummary } from '../../src/telemetry/api.ts';
import { fromWire, type WireNumber } from '../../src/telemetry/wire.ts';
import { shown } from './format.ts';
import { stateWords } from './outcome.ts';

export interface Column {
  key: string;
  label: string;
  /** In full where the label is short. */
  title: string;
  /** What it is sorted by; null and NaN stand last. */
  value: (row: RunSummary) => number | string | null;
  text: (row: RunSummary) => string;
}

export interface Order {
  key: string;
  direction: 'ascending' | 'descending';
}

const wire = (value: WireNumber | null) => (value === null ? null : fromWire(value));
const number = (value: WireNumber | null) => shown(wire(value), 3);

/** What matters most first, as a narrow table is cut off at its end. */
export const COLUMNS: readonly Column[] = [
  { key: 'run', label: 'run', title: 'name', value: ({ run }) => run, text: ({ run }) => run },
  {
    key: 'active',
    label: 'active',
    title: 'warnings that hold, or did when it ended; without infos',
    value: ({ activeWarnings }) => activeWarnings,
    text: ({ activeWarnings }) => String(activeWarnings),
  },
  {
    key: 'gain',
    label: 'G now',
    title: 'composite gain of the last step',
    value: ({ lastCompositeGain }) => wire(lastCompositeGain),
    text: ({ lastCompositeGain }) => number(lastCompositeGain),
  },
  {
    key: 'max',
    label: 'largest G',
    title: 'largest composite gain so far',
    value: ({ maxCompositeGain }) => wire(maxCompositeGain),
    text: ({ maxCompositeGain }) => number(maxCompositeGain),
  },
  { key: 'loss', label: 'loss', title: 'last loss', value: ({ lastLoss }) => wire(lastLoss), text: ({ lastLoss }) => number(lastLoss) },
  { key: 'step', label: 'step', title: 'last step', value: ({ lastStep }) => lastStep, text: ({ lastStep }) => String(lastStep ?? '–') },
  { key: 'state', label: 'state', title: 'live, or how it ended', value: stateWords, text: stateWords },
  {
    key: 'kinds',
    label: 'kind',
    title: 'kinds of connections',
    value: ({ kinds }) => kinds.join(),
    text: ({ kinds }) => kinds.join(' + '),
  },
];

/** A new array; without an order as they came: the newest first. */
export function sortRuns(rows: readonly RunSummary[], order: Order | null): RunSummary[] {
  const column = COLUMNS.find(({ key }) => key === order?.key);
  if (column === undefined || order === null) return [...rows];
  const sign = order.direction === 'ascending' ? 1 : -1;
  const missing = (value: number | string | null) => value === null || Number.isNaN(value);
  return [...rows].sort((a, b) => {
    const [x, y] = [column.value(a), column.value(b)];
    if (missing(x) || missing(y)) return Number(missing(x)) - Number(missing(y));
    if (typeof x === 'string' && typeof y === 'string') return sign * x.localeCompare(y, undefined, { numeric: true });
    return x === y ? 0 : sign * (Number(x) < Number(y) ? -1 : 1);
  });
}

/** A column that is pressed again turns round; names begin with A, numbers with the largest. */
export function nextOrder(order: Order | null, key: string): Order {
  if (order?.key === key) return { key, direction: order.direction === 'ascending' ? 'descending' : 'ascending' };
  return { key, direction: ['run', 'kinds', 'state'].includes(key) ? 'ascending' : 'descending' };
}

/** As the address has it. */
export const orderText = ({ key, direction }: Order): string => `${key}-${direction}`;
/** The reverse of `orderText`; null where it is none. */
export function orderOf(text: string | null): Order | null {
  const [key, direction] = text?.split('-') ?? [];
  if (direction !== 'ascending' && direction !== 'descending') return null;
  return COLUMNS.some((column) => column.key === key) ? { key, direction } : null;
}
