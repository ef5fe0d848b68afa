/**
 * The runs of other processes from first to last: attempts, ranks that open and close, silence. No steps here (handleParts.ts).
 *
 *   unknown ──first open or part──► attempt goes on ──all ranks closed, or silence──► ended ──LINGER_MS──► forgotten
 *                                     ▲  │                                              │
 *                                     │  └── the next attempt of its training (claim.ts)┤
 *                                     └───────────────── the next attempt ◄─────────────┘
 */
import type { Outcome } from '../../src/telemetry/report.ts';
import { NO_COUNTERS } from '../../src/telemetry/sample.ts';
import { FieldError } from '../fieldError.ts';
import { closeRun, dropRun, forgetRun, settleRun } from '../pipeline/pipeline.ts';
import type { RankPosition } from '../wire/part.ts';
import { type Claimant, claim, isSilent, isTakenOver, takenError } from './claim.ts';
import type { Ingest, IngestRun } from './ingestRun.ts';
import { areAnalysed, assembleAll, dropPendingSteps } from './join.ts';
import { emptyAttempt, MAX_SILENCE_MS, withRun } from './knownRuns.ts';
import { checkRanks, noteOpened, noteRank, openIfKnown, type RankModel } from './ranks.ts';

/** How long a run that has ended stays to be scraped. Our choice: four scrapes at Prometheus' usual 15 s. */
const LINGER_MS = 60_000;
/** The same, where some of its ranks have closed: the others of a job end with them. Our choice. */
const MAX_SILENCE_AFTER_CLOSE_MS = 60_000;
/** Names of attempts that are over, so that what is sent of them is known as that. Our choice. */
const MAX_PAST_ATTEMPTS = 1000;
/** How long a run must have been idle that makes way for another, though it has ended or has no step. Our choice. */
const MIN_IDLE_MS = 10_000;

/**
 * A rank announces its connections, before its first step.
 * @throws FieldError 409 where it contradicts what the run has sent before or belongs to another training, 429 where a limit is reached
 */
export function openRank(ingest: Ingest, name: string, position: RankPosition, model: RankModel, key: string | null = null): IngestRun {
  const { attempt, rank } = position;
  const claimant = { attempt, key };
  return withRun(ingest, name, claimant, (run) => {
    const claimed = claim(ingest, run, claimant);
    if (isTakenOver(run, claimant)) throw takenError(ingest, run, claimant);
    if (claimed === 'over' && attempt !== run.attempt) throw new FieldError('attempt', 'must not be one before the current', attempt, 409);
    // One that closed opens again; without a name, a rank that opens twice begins anew.
    const isNext = claimed !== 'current' || (attempt === null && run.attempt === null && run.ranks.has(rank));
    checkRanks(ingest, isNext ? null : run, [{ ...position, ...model }]);
    makePlace(ingest, run);
    if (isNext) beginNext(ingest, run, claimant);
    noteRank(run, position, model).ended = null;
    openIfKnown(ingest, run);
    noteOpened(ingest, run, position.stage, model);
    noteHeard(ingest, run);
    return run;
  });
}

/** Something of the run came in. */
export function noteHeard({ pipeline }: Ingest, run: IngestRun): void {
  run.lastPartAt = pipeline.monotonic();
}

/**
 * A rank has ended; with the last of them the run. Of a run that is not known (null) or has ended: nothing.
 * @throws FieldError 409 where the run belongs to another training, 429 where a limit is reached, 503 where its end cannot be recorded now
 */
export function closeRank(
  ingest: Ingest,
  name: string,
  position: Omit<RankPosition, 'worldSize'> & { worldSize?: number | undefined },
  outcome: Outcome,
  key: string | null = null,
): IngestRun | null {
  const { attempt, rank: number, worldSize, stage, replica } = position;
  const claimant = { attempt, key };
  return withRun(ingest, name, claimant, (run) => {
    if (!run.begun) return null;
    if (claim(ingest, run, claimant) !== 'current') return run;
    const isKnown = run.ranks.has(number);
    if (run.live !== null && !isKnown) return run;
    if (!isKnown && run.ranks.size >= ingest.limits.ranks)
      throw new FieldError('rank', `must be one of the ${ingest.limits.ranks} of this run that are known here`, number, 429);
    const rank = run.ranks.get(number) ?? { stage, replica, lastStep: -1, misses: 0, counters: NO_COUNTERS, ended: null };
    run.ranks.set(number, rank);
    rank.ended = outcome;
    noteHeard(ingest, run);
    // After a restart nothing is known of the other ranks, as long as none has sent a step: silence ends the run.
    if (!allClosed(run) || (run.live === null && worldSize !== 1)) return run;
    if (!areAnalysed(ingest, run))
      throw new FieldError('run', 'cannot be closed yet, as its last steps are being analysed: send it again', name, 503);
    if (!endRun(ingest, run)) {
      rank.ended = null;
      throw new FieldError(
        'run',
        `cannot be closed yet, as its recording refuses (${run.live?.recordingProblem}): send it again`,
        name,
        503,
      );
    }
    run.isClosed = true;
    return run;
  });
}

const allClosed = ({ ranks }: IngestRun): boolean => [...ranks.values()].every(({ ended }) => ended !== null);

/** To be called every few seconds: ends runs that have been silent too long, forgets those that have lingered. */
export function sweep(ingest: Ingest): void {
  const { pipeline } = ingest;
  const now = pipeline.monotonic();
  for (const run of ingest.runs.values()) {
    if (run.endedAt === null) {
      const someClosed = [...run.ranks.values()].some(({ ended }) => ended !== null);
      if (now - run.lastPartAt <= (someClosed ? MAX_SILENCE_AFTER_CLOSE_MS : MAX_SILENCE_MS)) continue;
      endRun(ingest, run, true);
      run.isClosed = allClosed(run);
    } else if (now - run.endedAt > LINGER_MS) forget(ingest, run);
  }
  for (const [name, at] of ingest.turnedAway) if (now - at > LINGER_MS) ingest.turnedAway.delete(name);
}

/** A run that has ended; its recording stays. Where nothing is recorded the last ones are shown still, as many as may go on. */
export function forget({ pipeline, runs, limits }: Ingest, run: IngestRun): void {
  const { live } = run;
  runs.delete(run.name);
  if (live === null) return;
  forgetRun(pipeline, live);
  if (pipeline.recorder !== null) dropRun(pipeline, live);
  else {
    const ended = [...pipeline.live.values()].filter(({ outcome }) => outcome !== null);
    for (const old of ended.slice(0, -limits.runs)) dropRun(pipeline, old);
  }
}

/** The worst outcome of a rank is the run's; a silent rank's is unknown. */
const WORST_FIRST: readonly Outcome[] = ['failed', 'interrupted', 'unknown', 'completed'];

/** @param isForced even where that cannot be recorded. @returns false: it goes on, as its end cannot be recorded */
function endRun(ingest: Ingest, run: IngestRun, isForced = false): boolean {
  const { pipeline } = ingest;
  const outcomes = [...run.ranks.values()].map(({ ended }) => ended ?? 'unknown');
  const outcome = WORST_FIRST.find((one) => outcomes.includes(one)) ?? 'unknown';
  assembleAll(ingest, run);
  if (run.live === null) {
    if (!recordEndOf(ingest, run, outcome) && !isForced) return false;
  } else if (!settleRun(pipeline, run.live, outcome) && !isForced) return false;
  closeLive(ingest, run, outcome);
  run.endedAt = pipeline.monotonic();
  return true;
}

/** Of a run that was recorded by an earlier process. */
function recordEndOf({ pipeline }: Ingest, run: IngestRun, outcome: Outcome): boolean {
  try {
    pipeline.recorder?.recordEnd(pipeline.directory, run.name, run.attempt ?? '', outcome, pipeline.now());
    return true;
  } catch (error) {
    pipeline.warnOnce(`end ${run.name}`, `${run.name}: its end could not be recorded: ${(error as Error).message}`);
    return false;
  }
}

/** What was not assembled is dropped: the run has not begun, or its stages would have to be analysed here. */
function closeLive(ingest: Ingest, run: IngestRun, outcome: Outcome): void {
  if (run.live !== null) closeRun(ingest.pipeline, run.live, outcome);
  dropPendingSteps(ingest, run);
}

/**
 * Begins the next attempt: ends the one that goes on, if there is one, and forgets its ranks. One that ended by silence, or closed and
 * opens again, goes on under its name.
 * @param resumes it has no name, and goes on all the same
 * @throws FieldError 429 where too many begin
 */
export function beginNext(ingest: Ingest, run: IngestRun, claimant: Claimant, resumes = false): void {
  const now = ingest.pipeline.monotonic();
  const recent = run.attemptTimes.filter((time) => now - time < 60_000);
  if (recent.length >= ingest.limits.attempts) {
    throw new FieldError('attempt', `must not be the next: ${recent.length} have begun within a minute`, claimant.attempt, 429);
  }
  if (run.endedAt === null && run.ranks.size > 0) {
    assembleAll(ingest, run);
    closeLive(ingest, run, 'unknown');
  } else dropPendingSteps(ingest, run);
  if (run.attempt !== null && run.attempt !== claimant.attempt) run.pastAttempts.add(run.attempt);
  if (run.pastAttempts.size > MAX_PAST_ATTEMPTS) run.pastAttempts.delete(run.pastAttempts.values().next().value!);
  const isFresh = !resumes && run.begun && run.attempt === null && claimant.attempt === null;
  Object.assign(run, emptyAttempt({ ...claimant, key: claimant.key ?? (claimant.attempt === run.attempt ? run.key : null) }), {
    begun: true,
    isFresh,
    attemptTimes: [...recent, now],
    ...(resumes || (claimant.attempt !== null && claimant.attempt === run.attempt) ? { names: run.names } : {}),
  });
}

/**
 * Makes place for a run whose first rank comes: of those that are idle, one that has ended goes first, then one without a step, then one
 * that is silent. @throws FieldError 429 where none can go
 */
export function makePlace(ingest: Ingest, own: IngestRun): void {
  const { pipeline, limits, runs } = ingest;
  if (own.ranks.size > 0 || runs.size <= limits.runs) return;
  const idle = [...runs.values()]
    .filter((run) => run !== own && pipeline.monotonic() - run.lastPartAt > MIN_IDLE_MS)
    .sort((a, b) => a.lastPartAt - b.lastPartAt);
  const gone =
    idle.find(({ endedAt }) => endedAt !== null) ??
    idle.find(({ lastAssembled }) => lastAssembled < 0) ??
    idle.find((run) => isSilent(ingest, run));
  if (gone === undefined) {
    throw new FieldError('run', `must be one of the ${limits.runs} that are known here: end another one`, own.name, 429);
  }
  if (gone.endedAt === null) endRun(ingest, gone, true);
  forget(ingest, gone);
}
