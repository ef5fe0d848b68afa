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
  value: OfRun<number | string | null>;
  text: OfRun<string>;
}

export interface Order {
  key: string;
  direction: 'ascending' | 'descending';
}

type OfRun<Value> = (row: RunSummary) => Value;

/** `text`: its value as it is, unless given. */
const column = (
  key: string,
  label: string,
  title: string,
  value: Column['value'],
  text: OfRun<string> = (row) => String(value(row) ?? '–'),
): Column => ({ key, label, title, value, text });

/** Of a number as the server sends it. */
function numberColumn(key: string, label: string, title: string, wire: OfRun<WireNumber | null>): Column {
  const value = (row: RunSummary) => (wire(row) === null ? null : fromWire(wire(row)));
  return column(key, label, title, value, (row) => shown(value(row), 3));
}

/** What matters most first, as a narrow table is cut off at its end. */
export const COLUMNS: readonly Column[] = [
  column('run', 'run', 'name', ({ run }) => run),
  column('active', 'active', 'warnings that hold, or did when it ended; without infos', ({ activeWarnings }) => activeWarnings),
  numberColumn('gain', 'G now', 'composite gain of the last step', ({ lastCompositeGain }) => lastCompositeGain),
  numberColumn('max', 'largest G', 'largest composite gain so far', ({ maxCompositeGain }) => maxCompositeGain),
  numberColumn('loss', 'loss', 'last loss', ({ lastLoss }) => lastLoss),
  column('step', 'step', 'last step', ({ lastStep }) => lastStep),
  column('state', 'state', 'live, or how it ended', stateWords),
  column('kinds', 'kind', 'kinds of connections', ({ kinds }) => kinds.join(' + ')),
];

/** A new array; without an order as they came: the newest first. */
export function sortRuns(rows: readonly RunSummary[], order: Order | null): RunSummary[] {
  const sorted = COLUMNS.find(({ key }) => key === order?.key);
  if (sorted === undefined || order === null) return [...rows];
  const sign = order.direction === 'ascending' ? 1 : -1;
  const missing = (value: number | string | null) => value === null || Number.isNaN(value);
  return [...rows].sort((a, b) => {
    const [x, y] = [sorted.value(a), sorted.value(b)];
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
  return COLUMNS.some((each) => each.key === key) ? { key, direction } : null;
}
