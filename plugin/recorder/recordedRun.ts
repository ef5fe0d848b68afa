/** Sums a recording up: the run's newest attempt, and all of them. */
import type { AttemptInfo, RunDetail, RunSummary } from '../../src/telemetry/api.ts';
import type { Outcome } from '../../src/telemetry/report.ts';
import { detail, type RunFacts, summarize } from '../runSummary.ts';
import { fromSql, type SqlNumber } from './blobs.ts';
import { isAlive } from './isAlive.ts';
import { type AttemptRow, attemptRows, headerOf, type Reader } from './read.ts';
import { countActiveIn } from './recordedWarnings.ts';

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
  return detail(factsOf(reader, newest, live), attempts);
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
