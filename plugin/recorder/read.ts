/** Asks a recording: its attempts and steps. Works beside a live writer; summaries are recordedRun.ts, series recordedSeries.ts. */
import { MEASURES } from '../../src/telemetry/catalogue.ts';
import type { Outcome, StepReport } from '../../src/telemetry/report.ts';
import type { ConnectionInfo, RunHeader } from '../../src/telemetry/sample.ts';
import { doubles, floats, fromSql, type SqlBlob, type SqlNumber } from './blobs.ts';
import { type Db, openForReading } from './database.ts';

export interface Reader {
  readonly path: string;
  readonly db: Db;
  /** The run's name now; null: as it is recorded. */
  readonly run: string | null;
  /** Was it dropped on the page? Then the process numbers in it are those of another machine. */
  readonly uploaded: boolean;
}

/**
 * Opens a recording for reading, until `closeReader`.
 * @param run by what name it goes now; null: as it is recorded
 * @throws Error with the path where there is no such file, it is no recording or of a newer version
 */
export const openReader = (path: string, run: string | null = null, uploaded = false): Reader => ({
  path,
  db: openForReading(path),
  run,
  uploaded,
});
/** Closes the file; the reader is of no use any more. */
export const closeReader = (reader: Reader): void => {
  reader.db.close();
};

export interface AttemptRow {
  attempt: number;
  run: string;
  pid: number;
  started_at: number;
  outcome: Outcome | null;
  streams: number;
  tokens: number;
  connections: string;
  measures: string;
  memory_kinds: string;
  /** Not there before version 4. */
  source?: string | null;
  first_step: number | null;
  last_step: number | null;
  max_composite_gain: SqlNumber;
}

/** Every attempt, oldest first. */
export function attemptRows({ db, run }: Reader): AttemptRow[] {
  const rows = db.prepare('SELECT * FROM attempts ORDER BY attempt').all() as AttemptRow[];
  return run === null ? rows : rows.map((row) => ({ ...row, run }));
}

/** The header of an attempt. @throws SyntaxError where its JSON is none */
export function headerOf(row: AttemptRow): RunHeader {
  return { run: row.run, streams: row.streams, tokens: row.tokens, connections: JSON.parse(row.connections) as ConnectionInfo[] };
}

/** Keys of the measures in the order in which the attempt keeps them. @throws SyntaxError where its JSON is none */
export const measuresOf = (row: AttemptRow): string[] => JSON.parse(row.measures) as string[];

interface StepRow {
  attempt: number;
  step: number;
  time: number;
  step_seconds: SqlNumber;
  loss: SqlNumber;
  gradient_norm: SqlNumber;
  learning_rate: SqlNumber;
  composite_gain: SqlNumber;
  overhead_seconds: number;
  samples_dropped: number;
  errors: number;
  memory_totals: string | null;
  measures: SqlBlob;
  mapping: SqlBlob;
  nonfinite: SqlBlob;
  memory: SqlBlob | null;
}

/** The measures of a step in today's order; one that the recording has not is NaN. */
function aligned(values: Float32Array, order: readonly string[], layers: number): Float32Array {
  if (order.length === MEASURES.length && MEASURES.every(({ key }, m) => key === order[m])) return values;
  const all = new Float32Array(MEASURES.length * layers).fill(Number.NaN);
  MEASURES.forEach(({ key }, m) => {
    const at = order.indexOf(key);
    if (at >= 0) all.set(values.subarray(at * layers, (at + 1) * layers), m * layers);
  });
  return all;
}

function reportOf(row: StepRow, attempt: AttemptRow): StepReport {
  return {
    step: row.step,
    time: row.time,
    stepSeconds: fromSql(row.step_seconds) ?? Number.NaN,
    loss: fromSql(row.loss),
    gradientNorm: fromSql(row.gradient_norm),
    learningRate: fromSql(row.learning_rate),
    compositeGain: fromSql(row.composite_gain),
    measures: aligned(floats(row.measures), measuresOf(attempt), headerOf(attempt).connections.length),
    mapping: floats(row.mapping),
    nonfinite: doubles(row.nonfinite),
    memory:
      row.memory === null
        ? null
        : { connections: doubles(row.memory), totals: JSON.parse(row.memory_totals ?? '{}') as Record<string, number> },
    monitor: { overheadSeconds: row.overhead_seconds, samplesDropped: row.samples_dropped, errors: row.errors },
  };
}

/** Steps that are in memory at a time. Our choice: some MB of a large model. */
const PAGE_STEPS = 200;

export interface RecordedStep {
  attempt: number;
  header: RunHeader;
  report: StepReport;
}

/** Steps after a position, in order of attempt and step. */
export function* readSteps(reader: Reader, after: { attempt: number; step: number } = { attempt: 0, step: 0 }): Generator<RecordedStep> {
  for (const row of attemptRows(reader)) {
    if (row.attempt < after.attempt) continue;
    const header = headerOf(row);
    let step = row.attempt === after.attempt ? after.step : -1;
    const page = reader.db.prepare(`SELECT * FROM steps WHERE attempt = ? AND step > ? ORDER BY step LIMIT ${PAGE_STEPS}`);
    for (;;) {
      const rows = page.all(row.attempt, step) as StepRow[];
      for (const r of rows) yield { attempt: row.attempt, header, report: reportOf(r, row) };
      if (rows.length < PAGE_STEPS) break;
      step = rows[rows.length - 1].step;
    }
  }
}

/** The newest step of the newest attempt; null where it has none. */
export function readLatest(reader: Reader): RecordedStep | null {
  const newest = attemptRows(reader).at(-1);
  if (newest === undefined) return null;
  const row = reader.db.prepare('SELECT * FROM steps WHERE attempt = ? ORDER BY step DESC LIMIT 1').get(newest.attempt) as
    | StepRow
    | undefined;
  return row === undefined ? null : { attempt: newest.attempt, header: headerOf(newest), report: reportOf(row, newest) };
}
