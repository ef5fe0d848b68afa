/** Series of a recording: one measure over the steps, across attempts, reduced by minimum and maximum to what was asked for. */
import type { SeriesAnswer } from '../../src/telemetry/api.ts';
import { MEASURES, type MeasureKey, RUN_SCALARS, type RunScalar } from '../../src/telemetry/catalogue.ts';
import { indexOf } from '../../src/telemetry/listing.ts';
import type { RunHeader } from '../../src/telemetry/sample.ts';
import { placesIn, widenMeasure } from '../../src/telemetry/widen.ts';
import { toWire } from '../../src/telemetry/wire.ts';
import { FieldError } from '../fieldError.ts';
import { doubles, floats, fromSql, isBlob, type SqlBlob, type SqlNumber, unpack } from './blobs.ts';
import { FACTOR, LEVELS } from './buckets.ts';
import { type Db, hasLayers, hasPacked } from './database.ts';
import { mergeRows, type SourceRow, type Value } from './mergeBuckets.ts';
import { SCALAR_COLUMNS } from './migrations.ts';
import { type AttemptRow, attemptRows, headerOf, listingOf, measuresOf, type Reader } from './read.ts';
import type { RecordedListing } from './recordedListing.ts';

export interface SeriesQuery {
  /** A key of the catalogue, or a scalar of the run. */
  measure: string;
  /** Names; all unless given. Not for scalars. */
  connections?: string[] | undefined;
  from?: number | undefined;
  to?: number | undefined;
  /** Largest number of points; DEFAULT_POINTS unless given. */
  points?: number | undefined;
  attempt?: number | undefined;
}

/** About as many as a screen has columns of pixels. Our choice. */
const DEFAULT_POINTS = 1000;

/** Steps of one attempt, both ends included. */
interface StepRange {
  attempt: number;
  from: number;
  to: number;
}

/** The steps that one attempt stands for: the newest from its first step on, those before it up to there. */
interface AttemptRange extends StepRange {
  /** The measures that it keeps, in its order. */
  measures: string[];
  listing: RecordedListing;
}

/** Are they attempts at one model? While it goes on each may name more connections than another. */
function isSameModel(a: RunHeader, b: RunHeader): boolean {
  const [few, many] = a.connections.length < b.connections.length ? [a, b] : [b, a];
  if (few.streams !== many.streams || (few.connections.length === 0 && many.connections.length > 0)) return false;
  const index = indexOf(many.connections);
  return few.connections.every(({ name }) => index.has(name));
}

function rangesOf(rows: AttemptRow[], query: SeriesQuery): { header: RunHeader; parts: AttemptRange[] } {
  const { from = 0, to = Number.MAX_SAFE_INTEGER } = query;
  const chosen = query.attempt === undefined ? rows.length - 1 : rows.findIndex((row) => row.attempt === query.attempt);
  const newest = rows[chosen];
  if (newest === undefined)
    throw new FieldError('attempt', `must be one of ${rows.map((r) => r.attempt).join(', ')}`, String(query.attempt));
  const header = headerOf(newest);
  const parts: AttemptRange[] = [];
  let end = to;
  for (let i = chosen; i >= 0 && end >= from; i--) {
    const row = rows[i];
    const listing = listingOf(row);
    if (!isSameModel(listing.header, header)) break;
    if (row.first_step === null || row.first_step > end) continue;
    parts.unshift({ attempt: row.attempt, measures: measuresOf(row), listing, from: Math.max(from, row.first_step), to: end });
    end = row.first_step - 1;
  }
  return { header, parts };
}

/**
 * A measure of the connections, or a scalar of the run, over the steps.
 * @param wire how a number is written; exactly unless given
 * @throws FieldError naming the field, the rule and the value
 */
export function readSeries(reader: Reader, query: SeriesQuery, wire = toWire): Omit<SeriesAnswer, 'run'> {
  const { header, parts } = rangesOf(attemptRows(reader), query);
  const points = query.points ?? DEFAULT_POINTS;
  const scalar = RUN_SCALARS.indexOf(query.measure as RunScalar);
  if (scalar < 0 && !MEASURES.some((m) => m.key === query.measure)) {
    throw new FieldError('measure', `must be one of ${[...RUN_SCALARS, ...MEASURES.map((m) => m.key)].join(', ')}`, query.measure);
  }
  const names = scalar >= 0 ? [''] : (query.connections ?? header.connections.map((c) => c.name));
  const known = indexOf(header.connections);
  const unknown = scalar >= 0 ? undefined : names.find((name) => !known.has(name));
  if (unknown !== undefined) throw new FieldError('connection', "must be one of this run's", unknown);

  const first = parts[0]?.from ?? 0;
  const last = Math.min(parts.at(-1)?.to ?? 0, lastStepOf(reader, parts));
  const span = Math.max(1, last - first + 1);
  // The coarsest level that still has more than `points` buckets is read and merged on the way.
  let level = 0;
  while (level < LEVELS && span / FACTOR ** (level + 1) >= points) level++;
  const size = Math.max(FACTOR ** level, Math.ceil(span / points / FACTOR ** level) * FACTOR ** level);
  const read = function* (): Generator<SourceRow> {
    for (const { attempt, measures, listing, from, to } of parts) {
      const measure = measures.indexOf(query.measure);
      if (scalar < 0 && measure < 0) continue; // recorded before there was this measure
      const steps = { attempt, from, to: Math.min(to, last) };
      yield* scalar >= 0
        ? readScalarRows(reader.db, level, steps, scalar)
        : readMeasureRows(reader.db, level, steps, {
            key: query.measure as MeasureKey,
            measure,
            measures: measures.length,
            listing,
            names,
          });
    }
  };
  const { steps, times, min, max } = mergeRows(read(), size, names.length);
  const shown = (value: Value) => (value === null ? null : wire(value));
  return {
    measure: query.measure,
    bucket: size,
    steps,
    times,
    series: names.map((connection, c) => {
      const low = min[c].map(shown);
      return { connection, min: low, max: size === 1 ? low : max[c].map(shown) };
    }),
  };
}

function lastStepOf(reader: Reader, parts: AttemptRange[]): number {
  const part = parts.at(-1);
  if (part === undefined) return 0;
  const row = reader.db.prepare('SELECT max(step) AS step FROM steps WHERE attempt = ?').get(part.attempt) as { step: number | null };
  return row.step ?? 0;
}

/** A step, or a bucket of a level; only the asked slice of a BLOB is read, where it is not packed. */
interface Row {
  step: number;
  time: number;
  min: SqlBlob | SqlNumber;
  /** null beside a BLOB: the same as min. */
  max: SqlBlob | SqlNumber;
  /** 1: min and max are not the slice, but whole and deflated. */
  packed?: number;
  /** Connections that it has; null: all of its attempt. Not of scalars. */
  layers?: number | null;
}

/** A scalar of the run, one column. @param level of the buckets; 0: steps @param scalar its position in RUN_SCALARS */
function* readScalarRows(db: Db, level: number, range: StepRange, scalar: number): Generator<SourceRow> {
  const column = SCALAR_COLUMNS[RUN_SCALARS[scalar]];
  const slice = (side: string) => `substr(scalars_${side}, ${scalar * 8 + 1}, 8) AS ${side}`;
  const source = level === 0 ? stepSource(`${column} AS min, ${column} AS max`) : bucketSource(level, `${slice('min')}, ${slice('max')}`);
  const valuesOf = (side: SqlBlob | SqlNumber): Value[] => [isBlob(side) ? doubles(side)[0] : fromSql(side)];
  for (const { step, time, min, max } of rows(db, source, range)) yield { step, time, min: valuesOf(min), max: valuesOf(max) };
}

/** Where a measure stands in the arrays of an attempt. */
interface Slice {
  key: MeasureKey;
  /** Its position among the attempt's `measures`. */
  measure: number;
  measures: number;
  listing: RecordedListing;
  /** Of the connections, one for each column. */
  names: readonly string[];
}

/** A measure of some connections. @param level of the buckets; 0: steps */
function* readMeasureRows(db: Db, level: number, range: StepRange, slot: Slice): Generator<SourceRow> {
  const { measure, measures, listing } = slot;
  const packed = hasPacked(db);
  const all = listing.bySlot.length;
  const layers = level === 0 ? 'length(nonfinite) / 8' : hasLayers(db) ? `coalesce(layers, ${all})` : `${all}`;
  const slice = (column: string, side: string) => {
    const part = `substr(${column}, ${measure * 4} * (${layers}) + 1, 4 * (${layers}))`;
    return packed ? `iif(packed = 1, ${column}, ${part}) AS ${side}` : `${part} AS ${side}`;
  };
  const sides =
    level === 0 ? `${slice('measures', 'min')}, NULL AS max` : `${slice('measures_min', 'min')}, ${slice('measures_max', 'max')}`;
  const columnsAsked = `${sides}, ${layers} AS layers${packed ? ', packed' : ''}`;
  const source = level === 0 ? stepSource(columnsAsked) : bucketSource(level, columnsAsked);
  const pick = createPick(slot);
  const valuesOf = (side: SqlBlob, { packed: isPacked, layers: count }: Row): Value[] => {
    const layers = count ?? all;
    if (layers === 0) return pick(new Float64Array(0), 0); // SQLite's part of an empty BLOB is none
    if (isPacked !== 1) return pick(floats(side), layers);
    return pick(unpack(side, isPacked, measures * layers).subarray(measure * layers, (measure + 1) * layers), layers);
  };
  for (const row of rows(db, source, range)) {
    const { step, time, min, max } = row;
    const low = valuesOf(min as SqlBlob, row);
    yield { step, time, min: low, max: max === null ? low : valuesOf(max as SqlBlob, row) };
  }
}

/** Of a measure as a row has it (its first so many slots) the values of the columns; null: the attempt has no such connection. */
function createPick({ key, listing: { header, bySlot }, names }: Slice): (values: ArrayLike<number>, layers: number) => Value[] {
  const { connections, streams } = header;
  const slots = names.map((name) => indexOf(bySlot).get(name) ?? -1);
  const positions = names.map((name) => indexOf(connections).get(name) ?? -1);
  /** By the number of slots. */
  const places = new Map<number, Int32Array | null>();
  const all = new Float32Array(connections.length);
  return (values, layers): Value[] => {
    if (slots.every((slot) => slot < layers)) return slots.map((slot) => (slot < 0 ? null : values[slot]));
    if (!places.has(layers)) places.set(layers, placesIn(bySlot.slice(0, layers), connections));
    widenMeasure(key, values, places.get(layers)!, streams, all);
    return positions.map((l) => (l < 0 ? null : all[l]));
  };
}

const rows = (db: Db, source: string, { attempt, from, to }: StepRange): Row[] => db.prepare(source).all(attempt, from, to) as Row[];

const stepSource = (sides: string): string =>
  `SELECT step, time, ${sides} FROM steps WHERE attempt = ? AND step BETWEEN ? AND ? ORDER BY step`;

const bucketSource = (level: number, sides: string): string =>
  `SELECT first_step AS step, first_time AS time, ${sides} FROM buckets
   WHERE level = ${level} AND attempt = ? AND first_step BETWEEN ? AND ? ORDER BY bucket`;
