/** What a chart, or the memory panel, shows as CSV and as JSON, and as rows of a table. Pure: saves nothing. */
import { csvRow } from '../../src/telemetry/csv.ts';
import { toWire } from '../../src/telemetry/wire.ts';
import type { Value } from './bands.ts';
import { shown } from './format.ts';
import type { Line } from './lines.ts';
import type { Memory } from './memoryStacks.ts';

/** Rows of the table behind a chart. Our choice: more are not read, and CSV has all. */
export const MAX_ROWS = 500;

interface Column extends Pick<Line, 'label' | 'steps' | 'times'> {
  values: readonly Value[];
}

/** Of its values, which are not those that were measured where it is smoothed. */
const nameOf = ({ label, smooth = 0 }: Line): string => (smooth > 0 ? `${label} (smoothed ${smooth.toFixed(2)})` : label);

function columnsOf(lines: readonly Line[]): Column[] {
  return lines.flatMap((line) => {
    const { label, steps, times, y, low, high, band } = line;
    const column = (name: string, values: Column['values'] | undefined): Column[] =>
      values === undefined ? [] : [{ label: name, steps, times, values }];
    return [...column(nameOf(line), band ? undefined : y), ...column(`${label} min`, low), ...column(`${label} max`, high)];
  });
}

interface Row {
  step: number;
  /** Of the first line that has this step. */
  time: number;
  /** undefined: the line has no point here. */
  cells: (number | null | undefined)[];
}

/** One row for each step that any line has, oldest first. */
function rowsOf(columns: readonly Column[]): Row[] {
  const rows = new Map<number, Row>();
  columns.forEach(({ steps, times, values }, c) => {
    for (let i = 0; i < steps.length; i++) {
      let row = rows.get(steps[i]);
      if (row === undefined) {
        row = { step: steps[i], time: times[i], cells: new Array(columns.length).fill(undefined) };
        rows.set(row.step, row);
      }
      row.cells[c] = values[i];
    }
  });
  return [...rows.values()].sort((a, b) => a.step - b.step);
}

const csvText = (rows: readonly Parameters<typeof csvRow>[0][]): string => rows.map((row) => `${csvRow(row)}\r\n`).join('');

const wire = (values: readonly (Value | undefined)[]) => values.map((value) => (value == null ? null : toWire(value)));

/** An empty cell: not known, or no point there. */
export function csvOf(lines: readonly Line[]): string {
  const columns = columnsOf(lines);
  const head = ['step', 'time', ...columns.map(({ label }) => label)];
  const body = rowsOf(columns).map(({ step, time, cells }) => [step, new Date(time).toISOString(), ...wire(cells)]);
  return csvText([head, ...body]);
}

/** Numbers that JSON does not have are "NaN", "+Inf" and "-Inf"; null: not known. */
export function jsonOf(run: string, chart: string, lines: readonly Line[]): string {
  return JSON.stringify({
    run,
    chart,
    lines: lines.map((line) => {
      const { id, steps, times, y, low, high, band } = line;
      return {
        id,
        label: nameOf(line),
        steps,
        times,
        ...(band ? {} : { values: wire(y) }),
        ...(low === undefined || high === undefined ? {} : { min: wire(low), max: wire(high) }),
      };
    }),
  });
}

/** The newest rows as text, newest first, at most `MAX_ROWS`; `total` is of all. */
export function tableOf(lines: readonly Line[]) {
  const columns = columnsOf(lines);
  const rows = rowsOf(columns);
  return {
    columns: columns.map(({ label }) => label),
    rows: rows
      .slice(-MAX_ROWS)
      .reverse()
      .map(({ step, time, cells }) => ({ step, time, cells: cells.map((value) => (value === undefined ? '' : shown(value))) })),
    total: rows.length,
  };
}

// ── the memory of the connections ──

const known = (value: number): number | null => (Number.isFinite(value) ? value : null);

/** A row for each connection, a column for each kind, in bytes. An empty cell: not known. */
export function memoryCsv({ stacks }: Memory, names: readonly string[]): string {
  const head = ['connection', ...stacks.map(({ kind }) => `${kind} (bytes)`)];
  return csvText([head, ...names.map((name, l) => [name, ...stacks.map(({ values }) => known(values[l]))])]);
}

/** In bytes; null: not known. The totals are of the whole run. */
export function memoryJson(run: string, step: number | null, { stacks, allocated }: Memory, names: readonly string[]): string {
  return JSON.stringify({
    run,
    step,
    chart: 'memory',
    connections: names.map((connection, l) => ({
      connection,
      ...Object.fromEntries(stacks.map(({ kind, values }) => [kind, known(values[l])])),
    })),
    totals: { ...Object.fromEntries(stacks.map(({ kind, total }) => [kind, total])), allocated },
  });
}

/** A name that every file system takes. */
export const fileName = (run: string, chart: string, ending: string): string => `${run}-${chart}.${ending}`.replace(/[^\w.-]+/g, '_');
