/**
 * The schema of a recording: what makes each version (PRAGMA user_version; application_id 'gwat') out of the one before it.
 * Earlier ones are read, and brought up when they are written: version 1 has neither warnings nor detectors, version 2 no time
 * of acknowledgement, version 3 no source, version 4 no cause, version 5 no key, no missing ranks and nothing packed, version 6 no attempt
 * that got more connections while it went on, and no self-test. SQL only: database.ts runs it.
 *
 * - attempts: one row per opening of the run, or per step back: when, which process, how it ended, first and last step,
 *   the connections from input to output (JSON) and the order of the measures (JSON); largest composite gain so far; slots: where each
 *   connection stands in the arrays, a JSON list (NULL: where it is listed); self_test: what the sender found of its connections (JSON);
 *   source: by what name it is known to go on in it after a restart: that of a sender's attempt ('': it sent none), or of a watched
 *   process, whose thread may be started again (NULL: of one that is not). key: SHA-256 (hex) of the key of the training that it belongs to
 * (NULL: opened without one).
 * - steps: one row per step and attempt. Scalars as columns (NULL: not known; NaN is the text 'NaN').
 *   Its arrays have the connections in the order of their slots, the first so many: one that has none in a row was not known then, and was
 *   the identity. measures: float32 [measure, connection]; mapping: float32 [connection, n, n], the token-mean H_res;
 *   nonfinite: float64 [connection]; memory: float64 [kind, connection], bytes. All little-endian.
 *   ranks: those that it was put together of, a JSON list of [first, last] (NULL: rank 0 alone).
 *   packed: 1 where measures and mapping (of a bucket measures_min and measures_max) are deflated (raw), as most of them is NaN.
 *   layers (of a bucket): how many connections it has (NULL: all); a step has as many as nonfinite has values.
 * - buckets: minimum and maximum of every scalar and measure over 8^level consecutive step numbers, level 1 to 5,
 *   brought up to date with every commit. A NaN makes the maximum NaN and does not count in the minimum, unless all are.
 *   A scalar that is not known does not count; where none is, the minimum is +Inf and the maximum −Inf. In the first
 *   recordings neither counted, and a bucket with nothing else is NaN.
 * - warnings: one row per warning raised: what it was (JSON), why (cause, JSON; NULL: recorded by a version that kept the
 *   sentence alone), when it ended, when it was acknowledged.
 *   detectors: their state, to go on after a restart.
 */

import type { RunScalar } from '../../src/telemetry/catalogue.ts';

export const APPLICATION_ID = 0x67776174;

/** The first makes version 1 out of nothing. Never changed, only added to. */
export const MIGRATIONS: readonly string[] = [
  `
CREATE TABLE attempts (
  attempt INTEGER PRIMARY KEY,
  run TEXT NOT NULL,
  pid INTEGER NOT NULL,
  started_at INTEGER NOT NULL,
  ended_at INTEGER,
  outcome TEXT,
  streams INTEGER NOT NULL,
  tokens INTEGER NOT NULL,
  connections TEXT NOT NULL,
  measures TEXT NOT NULL,
  memory_kinds TEXT NOT NULL,
  first_step INTEGER,
  last_step INTEGER,
  max_composite_gain
);
CREATE TABLE steps (
  attempt INTEGER NOT NULL,
  step INTEGER NOT NULL,
  time INTEGER NOT NULL,
  step_seconds,
  loss,
  gradient_norm,
  learning_rate,
  composite_gain,
  overhead_seconds REAL NOT NULL,
  samples_dropped INTEGER NOT NULL,
  errors INTEGER NOT NULL,
  memory_totals TEXT,
  measures BLOB NOT NULL,
  mapping BLOB NOT NULL,
  nonfinite BLOB NOT NULL,
  memory BLOB,
  PRIMARY KEY (attempt, step)
);
CREATE TABLE buckets (
  attempt INTEGER NOT NULL,
  level INTEGER NOT NULL,
  bucket INTEGER NOT NULL,
  first_step INTEGER NOT NULL,
  first_time INTEGER NOT NULL,
  count INTEGER NOT NULL,
  scalars_min BLOB NOT NULL,
  scalars_max BLOB NOT NULL,
  measures_min BLOB NOT NULL,
  measures_max BLOB NOT NULL,
  PRIMARY KEY (attempt, level, bucket)
);
CREATE VIEW scalars AS
  SELECT attempt, step, datetime(time / 1000, 'unixepoch') AS time, round(step_seconds * 1000, 1) AS step_ms,
         loss, gradient_norm, learning_rate, composite_gain FROM steps ORDER BY attempt, step;
`,
  `
CREATE TABLE warnings (
  id INTEGER PRIMARY KEY,
  warning TEXT NOT NULL,
  cleared_step INTEGER,
  cleared_time INTEGER
);
CREATE TABLE detectors (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  state TEXT NOT NULL
);
`,
  'ALTER TABLE warnings ADD COLUMN acknowledged_time INTEGER;',
  'ALTER TABLE attempts ADD COLUMN source TEXT;',
  'ALTER TABLE warnings ADD COLUMN cause TEXT;',
  `ALTER TABLE attempts ADD COLUMN key TEXT;
ALTER TABLE steps ADD COLUMN ranks TEXT;
ALTER TABLE steps ADD COLUMN packed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE buckets ADD COLUMN packed INTEGER NOT NULL DEFAULT 0;
`,
  `ALTER TABLE attempts ADD COLUMN slots TEXT;
ALTER TABLE attempts ADD COLUMN self_test TEXT;
ALTER TABLE buckets ADD COLUMN layers INTEGER;
`,
];

export const SCHEMA_VERSION = MIGRATIONS.length;

/** Where the table of steps has the scalars. */
export const SCALAR_COLUMNS = {
  loss: 'loss',
  gradientNorm: 'gradient_norm',
  learningRate: 'learning_rate',
  stepSeconds: 'step_seconds',
  compositeGain: 'composite_gain',
} as const satisfies Record<RunScalar, string>;
