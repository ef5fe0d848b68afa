/**
 * How long a run has waited for its ranks: a clock that runs only while the server keeps up. What is behind (requests of the run that are
 * being read, some that were turned away, a loop that was busy) is no rank that stays away.
 */
import type { Ingest, IngestRun } from './ingestRun.ts';

/** How often steps that wait are looked at. Our choice: a quarter of the shortest wait. */
export const TICK_MS = 250;
/** How long after a request was turned away it may be expected again. Our choice: above twice the Retry-After of 2 s. */
const MAX_RETURN_MS = 6000;

/** Adds the time since it was last looked at, where the server has kept up in it. */
export function lookAtPatience({ pipeline, reading, turnedAway }: Ingest, run: IngestRun): void {
  const now = pipeline.monotonic();
  const elapsed = now - run.lookedAt;
  run.lookedAt = now;
  const isReading = (reading.get(run.name) ?? 0) > 0;
  const isReturning = now - (turnedAway.get(run.name) ?? Number.NEGATIVE_INFINITY) < MAX_RETURN_MS;
  // A loop that was busy for longer counts as one look.
  if (!isReading && !isReturning) run.patience += Math.min(elapsed, 2 * TICK_MS);
}
