/** The warnings of a recording and the state of its detectors: read at a restart and by the server, written with the steps. */
import { existsSync } from 'node:fs';
import type { WarningAnswer } from '../../src/telemetry/api.ts';
import type { Cause, Warning, WarningRecord } from '../../src/telemetry/warning.ts';
import { fromWire, toWire } from '../../src/telemetry/wire.ts';
import { type Db, hasWarnings, insert, openForWriting } from './database.ts';

interface Row {
  id: number;
  warning: string;
  cleared_step: number | null;
  cleared_time: number | null;
  /** Not there before version 3. */
  acknowledged_time?: number | null;
  /** JSON; not there before version 5. */
  cause?: string | null;
}

/** The warnings of a recording, oldest first, with the number of each row; none where it is of version 1. */
export function readWarningRows(db: Db): Map<WarningRecord, number> {
  const rows = hasWarnings(db) ? (db.prepare('SELECT * FROM warnings ORDER BY id').all() as Row[]) : [];
  return new Map(
    rows.map((row, id) => {
      const record: WarningRecord = {
        id,
        warning: warningOf(row),
        clearedStep: row.cleared_step,
        clearedTime: row.cleared_time,
        acknowledgedTime: row.acknowledged_time ?? null,
      };
      return [record, row.id];
    }),
  );
}

/** As `countActive`, without reading each of them. */
export function countActiveIn(db: Db): number {
  if (!hasWarnings(db)) return 0;
  const active = "cleared_time IS NULL AND json_extract(warning, '$.severity') <> 'info'";
  return (db.prepare(`SELECT count(*) AS count FROM warnings WHERE ${active}`).get() as { count: number }).count;
}

/** Before version 3 what became of it stood beside it; its cause has a column of its own. */
function warningOf({ warning: text, cause }: Row): Warning {
  const { active: _active, clearedStep: _step, clearedTime: _time, value, ...warning } = JSON.parse(text) as WarningAnswer;
  return { ...warning, value: fromWire(value), cause: cause == null ? null : (JSON.parse(cause) as Cause) };
}

/** The state of the detectors as it was last saved, for `restoreDetectors`; null: never. */
export function readDetectorState(db: Db): string | null {
  const row = hasWarnings(db) ? (db.prepare('SELECT state FROM detectors').get() as { state: string } | undefined) : undefined;
  return row?.state ?? null;
}

/** Writes what changed; to be called within a transaction. @returns the rows of the new ones */
export function writeWarnings(
  db: Db,
  rows: ReadonlyMap<WarningRecord, number>,
  changed: Iterable<WarningRecord>,
  state: string | null,
): Map<WarningRecord, number> {
  const added = new Map<WarningRecord, number>();
  for (const record of changed) {
    const { clearedStep, clearedTime, acknowledgedTime } = record;
    const id = rows.get(record);
    if (id === undefined) {
      const { cause, ...warning } = record.warning;
      const row = insert(db, 'warnings', {
        warning: JSON.stringify({ ...warning, value: toWire(warning.value) }),
        cause: cause === null ? null : JSON.stringify(cause),
        cleared_step: clearedStep,
        cleared_time: clearedTime,
        acknowledged_time: acknowledgedTime,
      });
      added.set(record, row);
    } else {
      db.prepare('UPDATE warnings SET cleared_step = ?, cleared_time = ? WHERE id = ?').run(clearedStep, clearedTime, id);
      setAcknowledged(db, id, acknowledgedTime);
    }
  }
  if (state !== null) db.prepare('INSERT OR REPLACE INTO detectors VALUES (1, ?)').run(state);
  return added;
}

/** The first time stays, whichever process wrote it. */
function setAcknowledged(db: Db, row: number, time: number | null): void {
  db.prepare('UPDATE warnings SET acknowledged_time = coalesce(acknowledged_time, ?) WHERE id = ?').run(time, row);
}

/** Updates the records with what another process acknowledged in the file. */
export function updateAcknowledged(db: Db, rows: ReadonlyMap<WarningRecord, number>): void {
  const known = db.prepare('SELECT id, acknowledged_time AS time FROM warnings WHERE acknowledged_time IS NOT NULL').all() as {
    id: number;
    time: number;
  }[];
  const times = new Map(known.map(({ id, time }) => [id, time]));
  for (const [record, row] of rows) record.acknowledgedTime = times.get(row) ?? record.acknowledgedTime;
}

/**
 * Acknowledges a warning of a recording that this process does not hold open; another may be writing it.
 * @returns the record as it is then; null where there is none of that number
 * @throws what SQLite throws: SQLITE_BUSY where another process keeps the file locked
 */
export function acknowledgeInFile(path: string, id: number, time: number): WarningRecord | null {
  if (!existsSync(path)) return null; // opened for writing it would be made
  const db = openForWriting(path);
  try {
    const row = [...readWarningRows(db).values()][id];
    if (row === undefined) return null;
    setAcknowledged(db, row, time);
    return [...readWarningRows(db).keys()][id];
  } finally {
    db.close();
  }
}
