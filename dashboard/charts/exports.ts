/** What a chart shows as CSV, as JSON and as rows of a table. Pure: saves nothing. */
import { shown } from '../format.ts';
import type { Line } from './lines.ts';

/** Rows of the table behind a chart. */
export const MOST_ROWS = 500;

type Values = readonly (number | null)[];

interface Column {
  label: string;
  steps: readonly number[];
  times: readonly number[];
  values: Values;
}

function columnsOf(lines: readonly Line[]): Column[] {
  return lines.flatMap(({ label, steps, times, y, low, high, band }) => {
    const column = (name: string, values: Values | undefined): Column[] =>
      values === undefined ? [] : [{ label: name, steps, times, values }];
    return [...column(label, band ? undefined : y), ...column(`${label} min`, low), ...column(`${label} max`, high)];
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

const wire = (value: number | null): number | string | null => {
  if (value === null || Number.isFinite(value)) return value;
  if (Number.isNaN(value)) return 'NaN';
  return value > 0 ? '+Inf' : '-Inf';
};

const quoted = (text: string) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** RFC 4180. An empty cell: not known, or no point there. */
export function csvOf(lines: readonly Line[]): string {
  const columns = columnsOf(lines);
  const head = ['step', 'time', ...columns.map(({ label }) => label)];
  const body = rowsOf(columns).map(({ step, time, cells }) => [
    String(step),
    new Date(time).toISOString(),
    ...cells.map((value) => String(wire(value ?? null) ?? '')),
  ]);
  return [head, ...body].map((row) => `${row.map(quoted).join(',')}\r\n`).join('');
}

/** Numbers that JSON does not have are "NaN", "+Inf" and "-Inf"; null: not known. */
export function jsonOf(chart: string, lines: readonly Line[]): string {
  return JSON.stringify({
    chart,
    lines: lines.map(({ id, label, steps, times, y, low, high, band }) => ({
      id,
      label,
      steps,
      times,
      ...(band ? {} : { values: y.map(wire) }),
      ...(low === undefined || high === undefined ? {} : { min: low.map(wire), max: high.map(wire) }),
    })),
  });
}

export interface TableRow {
  step: number;
  time: number;
  cells: string[];
}

export interface Table {
  columns: string[];
  /** Newest first, at most `MOST_ROWS`. */
  rows: TableRow[];
  /** Of all rows. */
  total: number;
}

export function tableOf(lines: readonly Line[], most = MOST_ROWS): Table {
  const columns = columnsOf(lines);
  const rows = rowsOf(columns);
  return {
    columns: columns.map(({ label }) => label),
    rows: rows
      .slice(-most)
      .reverse()
      .map(({ step, time, cells }) => ({ step, time, cells: cells.map((value) => (value === undefined ? '' : shown(value))) })),
    total: rows.length,
  };
}

/** For tests and other readers of the page: id, label, number of points and the newest value of each line. */
export function summaryOf(lines: readonly Line[]): string {
  return JSON.stringify(
    lines.map(({ id, label, steps, y, high, band }) => ({
      id,
      label,
      points: steps.length,
      last: wire((band ? high : y)?.at(-1) ?? null),
    })),
  );
}

/** A name that every file system takes. */
export const fileName = (run: string, chart: string, ending: string): string => `${run}-${chart}.${ending}`.replace(/[^\w.-]+/g, '_');
