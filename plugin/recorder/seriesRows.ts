/** The rows of one attempt that a series is made of: steps, or the buckets of a level. Only the asked slice of a BLOB is read. */
import { RUN_SCALARS } from '../../src/telemetry/catalogue.ts';
import { doubles, floats, fromSql, isBlob, type SqlBlob, type SqlNumber } from './blobs.ts';
import type { Db } from './database.ts';
import type { SourceRow, Value } from './mergeBuckets.ts';
import { SCALAR_COLUMNS } from './migrations.ts';

/** Steps of one attempt, both ends included. */
export interface StepRange {
  attempt: number;
  from: number;
  to: number;
}

interface Row {
  step: number;
  time: number;
  min: SqlBlob | SqlNumber;
  /** null beside a BLOB: the same as min. */
  max: SqlBlob | SqlNumber;
}

/** A scalar of the run, one column. @param level of the buckets; 0: steps @param scalar its position in RUN_SCALARS */
export function* readScalarRows(db: Db, level: number, range: StepRange, scalar: number): Generator<SourceRow> {
  const column = SCALAR_COLUMNS[RUN_SCALARS[scalar]];
  const slice = (side: string) => `substr(scalars_${side}, ${scalar * 8 + 1}, 8) AS ${side}`;
  const source = level === 0 ? stepSource(`${column} AS min, ${column} AS max`) : bucketSource(level, `${slice('min')}, ${slice('max')}`);
  const valuesOf = (side: SqlBlob | SqlNumber): Value[] => [isBlob(side) ? doubles(side)[0] : fromSql(side)];
  for (const { step, time, min, max } of rows(db, source, range)) yield { step, time, min: valuesOf(min), max: valuesOf(max) };
}

/** A measure by its position among the attempt's, one column for each of `columns` (positions among its `layers` connections). */
export function* readMeasureRows(
  db: Db,
  level: number,
  range: StepRange,
  { measure, layers, columns }: { measure: number; layers: number; columns: readonly number[] },
): Generator<SourceRow> {
  const slice = (column: string, side: string) => `substr(${column}, ${measure * layers * 4 + 1}, ${layers * 4}) AS ${side}`;
  const source =
    level === 0
      ? stepSource(`${slice('measures', 'min')}, NULL AS max`)
      : bucketSource(level, `${slice('measures_min', 'min')}, ${slice('measures_max', 'max')}`);
  const valuesOf = (side: SqlBlob): Value[] => {
    const all = floats(side);
    return columns.map((c) => all[c]);
  };
  for (const { step, time, min, max } of rows(db, source, range)) {
    const low = valuesOf(min as SqlBlob);
    yield { step, time, min: low, max: max === null ? low : valuesOf(max as SqlBlob) };
  }
}

const rows = (db: Db, source: string, { attempt, from, to }: StepRange): Row[] => db.prepare(source).all(attempt, from, to) as Row[];

const stepSource = (sides: string): string =>
  `SELECT step, time, ${sides} FROM steps WHERE attempt = ? AND step BETWEEN ? AND ? ORDER BY step`;

const bucketSource = (level: number, sides: string): string =>
  `SELECT first_step AS step, first_time AS time, ${sides} FROM buckets
   WHERE level = ${level} AND attempt = ? AND first_step BETWEEN ? AND ? ORDER BY bucket`;
