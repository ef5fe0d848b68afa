/**
 * Is a file of unknown origin a recording that can be read? It may be made to harm: nothing in it is run or written (its schema
 * must be ours to the letter), and what reading it takes is bounded. Runs in a process of its own (validateProgram.ts).
 */
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { toStepAnswer, toWarningAnswer } from '../../src/telemetry/answer.ts';
import { RUN_SCALARS } from '../../src/telemetry/catalogue.ts';
import { BOUNDS, CONNECTION_KINDS, MAX_STREAMS, MEMORY_KINDS } from '../../src/telemetry/sample.ts';
import { FieldError } from '../fieldError.ts';
import { recordedForecast } from '../pipeline/detection.ts';
import { type Db, hasLayers, unknownSchema } from '../recorder/database.ts';
import { isRunName } from '../recorder/directory.ts';
import {
  type AttemptRow,
  attemptRows,
  closeReader,
  headerOf,
  measuresOf,
  openReader,
  type Reader,
  readDetail,
  readLatest,
} from '../recorder/read.ts';
import { readSeries } from '../recorder/recordedSeries.ts';
import { readDetectorState, readWarningRows } from '../recorder/recordedWarnings.ts';
import { type Check, isOneOf, isText, isWhole } from './checks.ts';
import { checkLengths, type Expanded } from './validateArrays.ts';
import { columnsOf, validateColumns } from './validateColumns.ts';
import { validateSelfTest } from './validateSelfTest.ts';
import { validateWarnings } from './validateWarnings.ts';

const MAGIC = 'SQLite format 3\0';
/** Characters that one table of texts may hold: they are read at each request. Our choice: a hundred thousand warnings. */
const MAX_TEXT = 32 << 20;
/** More than a monitor takes of a run (8192). */
const MAX_CONNECTIONS = 10_000;

function refuse(rule: string, value: unknown = null): never {
  throw new FieldError('recording', rule, value);
}

/**
 * Is it a recording as gainwatch writes it? Changes two bytes of the file (see withoutLog).
 * @returns the name of its run
 * @throws FieldError with the rule that it breaks
 */
export function validateRecording(path: string): string {
  withoutLog(path);
  const reader = open(path);
  try {
    const extra = unknownSchema(reader.db);
    if (extra !== null) refuse('must hold what gainwatch makes and nothing else', extra);
    const { quick_check: result } = reader.db.prepare('PRAGMA quick_check(1)').get() as { quick_check: string };
    if (result !== 'ok') refuse('must be whole', result);
    return checkContent(reader);
  } catch (error) {
    if (error instanceof FieldError) throw error;
    refuse('must be whole', (error as Error).message);
  } finally {
    closeReader(reader);
  }
}

/**
 * A recording is in WAL mode, in which even reading makes files beside it. Its log did not come with it, so two bytes of the
 * header say that there is none.
 */
function withoutLog(path: string): void {
  const file = openSync(path, 'r+');
  try {
    const head = Buffer.alloc(100);
    const length = readSync(file, head, 0, head.length, 0);
    if (length < head.length || head.toString('latin1', 0, MAGIC.length) !== MAGIC) refuse('must be a gainwatch recording: not a database');
    writeSync(file, Buffer.from([1, 1]), 0, 2, 18);
  } finally {
    closeSync(file);
  }
}

function open(path: string): Reader {
  try {
    return openReader(path, null, true);
  } catch (error) {
    const reason = (error as Error).message.replace(`${path} is not a gainwatch recording: `, '').replace(`${path} `, '');
    refuse(`must be a gainwatch recording that this version reads: ${reason}`);
  }
}

function checkContent(reader: Reader): string {
  const { db } = reader;
  for (const [table, texts] of Object.entries(TEXTS)) checkTexts(db, table, texts);
  validateColumns(db);
  const rows = attemptRows(reader);
  const run = rows.at(-1)?.run ?? '';
  if (!isRunName(run)) refuse('must have a run name of 1 to 64 of A–Z a–z 0–9 . _ -, beginning with a letter or digit', run);
  const expanded = { bytes: 0 };
  for (const row of rows) checkAttempt(db, row, expanded);
  const { count } = db.prepare('SELECT count(*) AS count FROM steps').get() as { count: number };
  if (count === 0) refuse('must have a step');
  checkReading(reader);
  return run;
}

/** Columns of texts of any length, where the file's version has them. */
const TEXTS = {
  attempts: ['run', 'connections', 'slots', 'self_test', 'measures', 'memory_kinds'],
  warnings: ['warning', 'cause'],
  detectors: ['state'],
};

function checkTexts(db: Db, table: string, texts: readonly string[]): void {
  const lengths = columnsOf(db, table).map((column) => (texts.includes(column) ? `coalesce(length(${column}), 0)` : '0'));
  if (lengths.length === 0) return;
  const { size } = db.prepare(`SELECT coalesce(sum(${lengths.join(' + ')}), 0) AS size FROM ${table}`).get() as { size: number };
  if (!(size <= MAX_TEXT)) refuse(`must hold at most ${MAX_TEXT} characters in ${table}`, size);
}

const KINDS: readonly unknown[] = CONNECTION_KINDS;
const isBound: Check = (value) => value == null || isOneOf(BOUNDS)(value);

/** The header, and that every array has the length that it says. */
function checkAttempt(db: Db, row: AttemptRow, expanded: Expanded): void {
  const { streams, tokens, connections } = headerOf(row);
  const isHeader =
    isWhole(1, MAX_STREAMS)(streams) &&
    isWhole(1, 1e9)(tokens) &&
    Array.isArray(connections) &&
    isWhole(0, MAX_CONNECTIONS)(connections.length) &&
    connections.every(
      (info) =>
        isText(info?.name) && KINDS.includes(info.kind) && (info.convention === null || isText(info.convention)) && isBound(info.bounded),
    ) &&
    new Set(connections.map(({ name }) => name)).size === connections.length;
  const measures = measuresOf(row);
  if (!isHeader || !isTexts(measures)) refuse('must tell its connections and measures', `attempt ${row.attempt}`);
  const kinds = JSON.stringify(MEMORY_KINDS);
  if (row.memory_kinds !== kinds) refuse(`must have ${kinds} as memory_kinds`, row.memory_kinds.slice(0, 200));
  const layers = connections.length;
  if (!isOrder(row.slots, layers)) refuse('must tell once in slots where each connection stands', `attempt ${row.attempt}`);
  if (row.self_test != null) validateSelfTest(row.self_test);
  // By connection; the others by row.
  const steps = {
    each: { measures: 4 * measures.length, mapping: 4 * streams ** 2, nonfinite: 8, memory: 8 * MEMORY_KINDS.length },
    whole: {},
    layers: 'length(nonfinite) / 8',
  };
  const [scalars, side] = [8 * RUN_SCALARS.length, 4 * measures.length];
  const buckets = {
    each: { measures_min: side, measures_max: side },
    whole: { scalars_min: scalars, scalars_max: scalars },
    layers: hasLayers(db) ? `coalesce(layers, ${layers})` : `${layers}`,
  };
  checkLengths(db, 'steps', row.attempt, { ...steps, most: layers }, expanded);
  checkLengths(db, 'buckets', row.attempt, { ...buckets, most: layers }, expanded);
}

/** Places of so many connections, each once; or none. */
function isOrder(text: unknown, layers: number): boolean {
  if (text == null) return true;
  const slots = JSON.parse(String(text)) as unknown;
  return Array.isArray(slots) && slots.length === layers && new Set(slots).size === layers && slots.every(isWhole(0, layers - 1));
}

const isTexts = (value: unknown): value is string[] => Array.isArray(value) && value.length <= 1000 && value.every(isText);

/** Asks it what the server will ask. */
function checkReading(reader: Reader): void {
  const { db } = reader;
  const newest = readLatest(reader);
  if (newest !== null) {
    const { header, attempt, report } = newest;
    toStepAnswer(header, attempt, report, recordedForecast(header, readDetectorState(db), report.step));
  }
  validateWarnings(db);
  for (const record of readWarningRows(db).keys()) toWarningAnswer(record);
  for (const measure of ['loss', 'forwardGain']) readSeries(reader, { measure, points: 1 });
  readDetail(reader);
}
