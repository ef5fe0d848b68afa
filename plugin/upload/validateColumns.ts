/**
 * Does every column of a file of unknown origin hold what its name promises? SQLite keeps a text in a column of integers. Lengths
 * of arrays are validateRecording.ts's, warnings and their causes validateWarnings.ts's.
 */
import { OUTCOMES } from '../../src/telemetry/report.ts';
import { FieldError } from '../fieldError.ts';
import type { Db } from '../recorder/database.ts';
import { MAX_TIME_MS } from './checks.ts';

interface Kind {
  /** In words, after "as NAME in TABLE". */
  rule: string;
  /** In SQL: is the column of this name so? Never NULL. */
  holds: (column: string) => string;
}

const whole = (most: number): Kind => ({
  rule: `a whole number from 0 to ${most}`,
  holds: (column) => `typeof(${column}) = 'integer' AND ${column} BETWEEN 0 AND ${most}`,
});
const orNull = ({ rule, holds }: Kind): Kind => ({ rule: `${rule} or NULL`, holds: (column) => `${column} IS NULL OR (${holds(column)})` });

const COUNT = whole(Number.MAX_SAFE_INTEGER);
const TIME = whole(MAX_TIME_MS);
const NUMBER: Kind = { rule: 'a finite number', holds: (column) => `typeof(${column}) IN ('integer', 'real') AND abs(${column}) < 1e300` };
const SCALAR: Kind = {
  rule: "a number, 'NaN' or NULL",
  holds: (column) => `typeof(${column}) IN ('integer', 'real', 'null') OR ${column} = 'NaN'`,
};
const OUTCOME: Kind = {
  rule: `one of ${OUTCOMES.join(', ')}, or NULL`,
  holds: (column) => `${column} IS NULL OR ${column} IN (${OUTCOMES.map((outcome) => `'${outcome}'`).join(', ')})`,
};
/** They are sent with each step, so they are few. */
const TOTALS: Kind = {
  rule: 'a JSON object of at most 1000 characters with finite numbers, or NULL',
  holds: (column) => `CASE
    WHEN ${column} IS NULL THEN 1
    WHEN typeof(${column}) <> 'text' OR length(${column}) > 1000 OR NOT json_valid(${column}) THEN 0
    WHEN json_type(${column}) <> 'object' THEN 0
    ELSE NOT EXISTS (SELECT 1 FROM json_each(${column}) WHERE type NOT IN ('integer', 'real') OR abs(value) > 1e300) END`,
};

const SOURCE: Kind = {
  rule: 'a text of at most 64 characters or NULL',
  holds: (column) => `${column} IS NULL OR (typeof(${column}) = 'text' AND length(${column}) <= 64)`,
};

const KEY: Kind = {
  rule: 'a SHA-256 in 64 hexadecimal digits or NULL',
  holds: (column) => `${column} IS NULL OR (typeof(${column}) = 'text' AND length(${column}) = 64 AND ${column} NOT GLOB '*[^0-9a-f]*')`,
};
/** Of a step: the ranks that it was put together without. */
const RANKS: Kind = {
  rule: 'a JSON list of at most 10000 characters with pairs of whole numbers, or NULL',
  holds: (column) => `CASE
    WHEN ${column} IS NULL THEN 1
    WHEN typeof(${column}) <> 'text' OR length(${column}) > 10000 OR NOT json_valid(${column}) THEN 0
    WHEN json_type(${column}) <> 'array' THEN 0
    WHEN EXISTS (SELECT 1 FROM json_each(${column}) WHERE type <> 'array' OR json_array_length(value) <> 2) THEN 0
    ELSE NOT EXISTS (SELECT 1 FROM json_tree(${column}) AS pair WHERE pair.path <> '$' AND pair.id <> 0 AND
      (pair.type <> 'integer' OR pair.value < 0 OR pair.value > ${Number.MAX_SAFE_INTEGER})) END`,
};
const FLAG = whole(1);
const LAYERS = orNull(whole(1e6));

const COLUMNS: Record<string, Record<string, Kind>> = {
  attempts: {
    attempt: COUNT,
    pid: COUNT,
    started_at: TIME,
    ended_at: orNull(TIME),
    outcome: OUTCOME,
    first_step: orNull(COUNT),
    last_step: orNull(COUNT),
    max_composite_gain: SCALAR,
    source: SOURCE,
    key: KEY,
  },
  steps: {
    attempt: COUNT,
    step: COUNT,
    time: TIME,
    step_seconds: SCALAR,
    loss: SCALAR,
    gradient_norm: SCALAR,
    learning_rate: SCALAR,
    composite_gain: SCALAR,
    overhead_seconds: NUMBER,
    samples_dropped: COUNT,
    errors: COUNT,
    memory_totals: TOTALS,
    ranks: RANKS,
    packed: FLAG,
  },
  buckets: { attempt: COUNT, level: COUNT, bucket: COUNT, first_step: COUNT, first_time: TIME, count: COUNT, packed: FLAG, layers: LAYERS },
  warnings: { cleared_step: orNull(COUNT), cleared_time: orNull(TIME), acknowledged_time: orNull(TIME) },
};

/** Checks every column that the file's version has. @throws FieldError with the rule and the first value that breaks it */
export function validateColumns(db: Db): void {
  for (const [table, columns] of Object.entries(COLUMNS)) {
    const names = columnsOf(db, table);
    const there = Object.entries(columns).filter(([column]) => names.includes(column));
    if (there.length > 0) checkTable(db, table, there);
  }
}

/** Names of a table's columns; none where the file's version has not the table. */
export const columnsOf = (db: Db, table: string): string[] =>
  (db.prepare(`PRAGMA table_info(${table})`).all() as { name: string }[]).map(({ name }) => name);

/** One pass over the table; only where something is wrong is it looked for what. */
function checkTable(db: Db, table: string, kinds: [column: string, Kind][]): void {
  const all = kinds.map(([column, { holds }]) => `(${holds(column)})`).join(' AND ');
  if (db.prepare(`SELECT 1 FROM ${table} WHERE NOT (${all}) LIMIT 1`).get() === undefined) return;
  for (const [column, { rule, holds }] of kinds) {
    const found = db.prepare(`SELECT substr(quote(${column}), 1, 100) AS value FROM ${table} WHERE NOT (${holds(column)}) LIMIT 1`).get();
    if (found !== undefined)
      throw new FieldError('recording', `must hold ${rule} as ${column} in ${table}`, (found as { value: string }).value);
  }
}
