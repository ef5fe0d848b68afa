/** The warnings of a recording and the state of its detectors: read at a restart and by the server, written with the steps. */

import { toWarningAnswer } from '../../src/telemetry/answer.ts';
import type { WarningAnswer } from '../../src/telemetry/api.ts';
import type { WarningRecord } from '../../src/telemetry/warning.ts';
import { fromWire } from '../../src/telemetry/wire.ts';
import { type Db, hasWarnings } from './database.ts';

interface Row {
  id: number;
  warning: string;
  cleared_step: number | null;
  cleared_time: number | null;
}

/** Oldest first, with the number of each row. */
export function readWarningRows(db: Db): Map<WarningRecord, number> {
  const rows = hasWarnings(db) ? (db.prepare('SELECT * FROM warnings ORDER BY id').all() as Row[]) : [];
  return new Map(
    rows.map((row) => {
      const { active: _active, clearedStep: _step, clearedTime: _time, ...warning } = JSON.parse(row.warning) as WarningAnswer;
      const record = {
        warning: { ...warning, value: fromWire(warning.value) },
        clearedStep: row.cleared_step,
        clearedTime: row.cleared_time,
      };
      return [record, row.id];
    }),
  );
}

/** As the detectors were last saved; null: never. */
export function readDetectorState(db: Db): string | null {
  const row = db.prepare('SELECT state FROM detectors').get() as { state: string } | undefined;
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
    const { clearedStep, clearedTime } = record;
    const id = rows.get(record);
    if (id === undefined) {
      const text = JSON.stringify(toWarningAnswer(record));
      const inserted = db
        .prepare('INSERT INTO warnings (warning, cleared_step, cleared_time) VALUES (?, ?, ?)')
        .run(text, clearedStep, clearedTime);
      added.set(record, Number(inserted.lastInsertRowid));
    } else db.prepare('UPDATE warnings SET cleared_step = ?, cleared_time = ? WHERE id = ?').run(clearedStep, clearedTime, id);
  }
  if (state !== null) db.prepare('INSERT OR REPLACE INTO detectors VALUES (1, ?)').run(state);
  return added;
}
