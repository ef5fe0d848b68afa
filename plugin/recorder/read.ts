/** Asks a recording: its attempts and steps, and both summed up. Works beside a live writer; series are recordedSeries.ts's. */

import type { AttemptInfo, RunDetail, RunSummary } from '../../src/telemetry/api.ts';
import { MEASURES, RUN_SCALARS, type RunScalar } from '../../src/telemetry/catalogue.ts';
import type { Outcome, StepReport } from '../../src/telemetry/report.ts';
import type { ConnectionInfo, RunHeader } from '../../src/telemetry/sample.ts';
import type { SelfTestEntry } from '../../src/telemetry/selfTest.ts';
import { detail, type RunFacts, summarize } from '../runSummary.ts';
import { doubles, fromSql, type SqlBlob, type SqlNumber, unpack } from './blobs.ts';
import { type Db, openForReading } from './database.ts';
import { SCALAR_COLUMNS } from './migrations.ts';
import { fromSlots, type RecordedListing, slotOrder } from './recordedListing.ts';
import { countActiveIn } from './recordedWarnings.ts';

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
  /** Not there before version 7. */
  slots?: string | null;
  self_test?: string | null;
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

/** Its connections, and where they stand in its arrays. @throws SyntaxError where its JSON is none */
export function listingOf(row: AttemptRow): RecordedListing {
  const header = headerOf(row);
  return { header, bySlot: slotOrder(header.connections, row.slots) };
}

/** What the sender found of its connections; null: nothing was sent. @throws SyntaxError where its JSON is none */
export const selfTestOf = ({ self_test: text }: AttemptRow): SelfTestEntry[] | null =>
  text == null ? null : (JSON.parse(text) as SelfTestEntry[]);

/** Keys of the measures in the order in which the attempt keeps them. @throws SyntaxError where its JSON is none */
export const measuresOf = (row: AttemptRow): string[] => JSON.parse(row.measures) as string[];

interface StepRow extends Record<(typeof SCALAR_COLUMNS)[RunScalar], SqlNumber> {
  attempt: number;
  step: number;
  time: number;
  overhead_seconds: number;
  samples_dropped: number;
  errors: number;
  memory_totals: string | null;
  /** Not there before version 6. */
  packed?: number;
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

/** What the rows of an attempt are read by. */
interface RowFormat {
  listing: RecordedListing;
  /** Its measures, in its order. */
  measures: readonly string[];
}

const formatOf = (row: AttemptRow): RowFormat => ({ listing: listingOf(row), measures: measuresOf(row) });

function reportOf(row: StepRow, { listing, measures: order }: RowFormat): StepReport {
  const scalars = Object.fromEntries(RUN_SCALARS.map((key) => [key, fromSql(row[SCALAR_COLUMNS[key]])])) as Record<
    RunScalar,
    number | null
  >;
  const nonfinite = doubles(row.nonfinite);
  const layers = nonfinite.length;
  const report: StepReport = {
    step: row.step,
    time: row.time,
    ...scalars,
    stepSeconds: scalars.stepSeconds ?? Number.NaN,
    measures: aligned(unpack(row.measures, row.packed, order.length * layers), order, layers),
    mapping: unpack(row.mapping, row.packed, layers * listing.header.streams ** 2),
    nonfinite,
    memory:
      row.memory === null
        ? null
        : { connections: doubles(row.memory), totals: new Map(Object.entries(JSON.parse(row.memory_totals ?? '{}') as object)) },
    monitor: { overheadSeconds: row.overhead_seconds, samplesDropped: row.samples_dropped, errors: row.errors },
  };
  return fromSlots(report, layers, listing);
}

/** Steps that are in memory at a time, and their arrays, bytes. Our choice: many streams have half a megabyte a step. */
const PAGE_STEPS = 200;
const PAGE_BYTES = 4 << 20;

export interface RecordedStep {
  attempt: number;
  header: RunHeader;
  report: StepReport;
}

/** Steps after a position, in order of attempt and step. */
export function* readSteps(reader: Reader, after: { attempt: number; step: number } = { attempt: 0, step: 0 }): Generator<RecordedStep> {
  for (const row of attemptRows(reader)) {
    if (row.attempt < after.attempt) continue;
    const format = formatOf(row);
    const { header } = format.listing;
    let step = row.attempt === after.attempt ? after.step : -1;
    const rowBytes = 4 * header.connections.length * (MEASURES.length + header.streams ** 2);
    const pageSteps = Math.max(1, Math.min(PAGE_STEPS, Math.floor(PAGE_BYTES / Math.max(1, rowBytes))));
    const page = reader.db.prepare(`SELECT * FROM steps WHERE attempt = ? AND step > ? ORDER BY step LIMIT ${pageSteps}`);
    for (;;) {
      const rows = page.all(row.attempt, step) as StepRow[];
      for (const r of rows) yield { attempt: row.attempt, header, report: reportOf(r, format) };
      if (rows.length < pageSteps) break;
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
  if (row === undefined) return null;
  const format = formatOf(newest);
  return { attempt: newest.attempt, header: format.listing.header, report: reportOf(row, format) };
}

/** Does a process of this number run on this machine? */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** An attempt that nobody ended and that no process writes: not known how it ended. */
const outcomeOf = ({ uploaded }: Reader, { outcome, pid }: AttemptRow): Outcome | null =>
  outcome ?? (!uploaded && isAlive(pid) ? null : 'unknown');

/** @param live does this process write it? @returns null where the recording has no attempt yet */
export function readSummary(reader: Reader, live = false): RunSummary | null {
  const newest = attemptRows(reader).at(-1);
  return newest === undefined ? null : summarize(factsOf(reader, newest, live));
}

/** @param live does this process write it? @returns null where the recording has no attempt yet */
export function readDetail(reader: Reader, live = false): RunDetail | null {
  const rows = attemptRows(reader);
  const newest = rows.at(-1);
  if (newest === undefined) return null;
  const attempts = rows.map(
    (row): AttemptInfo => ({
      attempt: row.attempt,
      startedAt: row.started_at,
      forkStep: row.first_step,
      lastStep: row.last_step,
      outcome: outcomeOf(reader, row),
    }),
  );
  return detail(factsOf(reader, newest, live), attempts, selfTestOf(newest));
}

function factsOf(reader: Reader, newest: AttemptRow, live: boolean): RunFacts {
  const last = reader.db
    .prepare('SELECT step, time, loss, composite_gain FROM steps WHERE attempt = ? ORDER BY step DESC LIMIT 1')
    .get(newest.attempt) as { step: number; time: number; loss: SqlNumber; composite_gain: SqlNumber } | undefined;
  return {
    header: headerOf(newest),
    attempt: newest.attempt,
    uploaded: reader.uploaded,
    live,
    outcome: outcomeOf(reader, newest),
    startedAt: newest.started_at,
    last: last === undefined ? null : { ...last, loss: fromSql(last.loss), compositeGain: fromSql(last.composite_gain) },
    maxCompositeGain: fromSql(newest.max_composite_gain),
    activeWarnings: countActiveIn(reader.db),
  };
}
