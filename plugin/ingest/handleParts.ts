/**
 * The parts of one request come in, all of one attempt: whose are they, is each new, stored already, or late? All are looked at before
 * the first is taken, so that a request which is refused has taken nothing. What is new waits for the other ranks (join.ts). No HTTP here.
 */
import { indexOf, type Listing } from '../../src/telemetry/listing.ts';
import { placesIn, widenMeasures } from '../../src/telemetry/widen.ts';
import { FieldError } from '../fieldError.ts';
import { noticeLoss } from '../pipeline/keepRecording.ts';
import type { Committed } from '../pipeline/liveRun.ts';
import { markOf, type Part } from '../wire/part.ts';
import { type Claimant, claim, isTakenOver, takenError } from './claim.ts';
import type { Ingest, IngestRun, PartResult } from './ingestRun.ts';
import { addPart, assembleReadySteps } from './join.ts';
import { withRun } from './knownRuns.ts';
import { beginNext, makePlace, noteHeard } from './lifecycle.ts';
import { checkRanks, noteRank, openIfKnown } from './ranks.ts';
import { type StoredSteps, storedStepsOf } from './storedSteps.ts';

export interface HandledParts extends Record<Exclude<PartResult, 'late'>, number> {
  /** What becomes of the steps; `dropped`: one was not kept. */
  committed: Promise<Committed>[];
}

/** A part that was looked at: known, with what becomes of its step, or new. */
type Judged = { part: Part; committed: Promise<Committed> | null };

const STORED = Promise.resolve<Committed>('committed');

/**
 * Adds parts to the run, and counts them.
 * @param key SHA-256 of the key that was sent with them, hex; null: none
 * @throws FieldError 409 where they contradict what the run has sent before, belong to another training, or are late; 429 or 503 where a
 * limit is reached or nothing can be recorded. Of 503 some may have been taken: the same body may be sent again
 */
export function handleParts(ingest: Ingest, name: string, parts: readonly Part[], key: string | null = null): HandledParts {
  const attempt = commonAttempt(parts);
  return withRun(ingest, name, { attempt, key }, (run) => {
    const stored = storedStepsOf(ingest, run);
    try {
      return take(ingest, run, stored, parts, { attempt, key });
    } catch (error) {
      if (error instanceof LateError) run.counts.late += error.late;
      throw error;
    } finally {
      stored.close();
    }
  });
}

function commonAttempt(parts: readonly Part[]): string | null {
  const [{ attempt }] = parts;
  const other = parts.find((part) => part.attempt !== attempt);
  if (other !== undefined) throw new FieldError('attempt', `must be the same in all steps of a body (${attempt})`, other.attempt);
  return attempt;
}

function take(ingest: Ingest, run: IngestRun, stored: StoredSteps, parts: readonly Part[], claimant: Claimant): HandledParts {
  const { attempt } = claimant;
  const claimed = claim(ingest, run, claimant);
  if (run.live !== null && ingest.pipeline.keeps) noticeLoss(ingest.pipeline, run.live);
  const isNext = claimed === 'next' || (claimed === 'current' && attempt === null && run.attempt === null && goesBack(stored, run, parts));
  if (isNext && isKnownEnd(stored, run, attempt, parts))
    return count(
      run,
      parts.map((part) => ({ part, committed: STORED })),
    );
  // One that is over may have had other connections than the current.
  if (claimed !== 'over') checkRanks(ingest, isNext ? null : run, parts);
  // One without a name that ended by silence (or by a clock that jumped, over a restart) goes on too, unless it goes back.
  const isUnnamed = attempt === null && run.attempt === null && run.begun && !run.isClosed;
  const resumes = claimed === 'next' && (isUnnamed ? !goesBack(stored, run, parts) : attempt !== null && attempt === run.attempt);
  const judged = judge(ingest, run, stored, claimant, claimed === 'over' ? 'stored' : isNext && !resumes ? 'nothing' : 'run', parts);
  if (claimed === 'over') return count(run, judged);
  makePlace(ingest, run);
  if (isNext) beginNext(ingest, run, claimant, resumes);
  for (const { part } of judged) noteRank(run, part, modelOf(part)).ended = null;
  openIfKnown(ingest, run);
  noteHeard(ingest, run);
  try {
    return count(
      run,
      judged.map((one) => (one.committed === null ? { ...one, committed: addPart(ingest, run, one.part), isNew: true } : one)),
    );
  } finally {
    assembleReadySteps(ingest, run); // also what was taken before there was no more place
  }
}

function count(run: IngestRun, judged: readonly (Judged & { isNew?: boolean })[]): HandledParts {
  const accepted = judged.filter(({ isNew }) => isNew).length;
  const duplicates = judged.length - accepted;
  run.counts.accepted += accepted;
  run.counts.duplicates += duplicates;
  return { accepted, duplicates, committed: judged.map(({ committed }) => committed ?? STORED) };
}

const modelOf = ({ connections, streams, content }: Part) => ({ connections, streams, tokens: content.tokens });

class LateError extends FieldError {
  late = 0;
}

/** What is asked of an attempt: all of the run; of one that is over only what is stored; nothing of one that begins. */
type Known = 'run' | 'stored' | 'nothing';

/** @throws FieldError 409 where a part is late, 503 where that cannot be known now */
function judge(ingest: Ingest, run: IngestRun, stored: StoredSteps, claimant: Claimant, known: Known, parts: readonly Part[]): Judged[] {
  const attempt = claimant.attempt ?? run.attempt;
  const seen = new Set<string>();
  const late: Part[] = [];
  const judged = parts.map((part): Judged => {
    const id = `${part.rank} ${part.step}`;
    // Twice in one body: the first counts.
    const committed = seen.has(id) ? STORED : knownPart(stored, run, attempt, known, part);
    seen.add(id);
    if (committed === 'late') {
      late.push(part);
      return { part, committed: null };
    }
    return { part, committed };
  });
  const [first] = late;
  if (first === undefined) return judged;
  if (isTakenOver(run, claimant)) throw takenError(ingest, run, claimant);
  const rule =
    known === 'stored'
      ? 'must be of an attempt that goes on, or stored already: this one is over'
      : `must not come after it was put together without rank ${first.rank}`;
  const error = new LateError('step', rule, first.step, 409);
  error.late = late.length;
  throw error;
}

/** What becomes of a part that was here before; null: it is new. */
function knownPart(
  stored: StoredSteps,
  run: IngestRun,
  attempt: string | null,
  known: Known,
  { step, rank }: Part,
): Promise<Committed> | 'late' | null {
  if (known === 'nothing') return null;
  if (known === 'run') {
    const pending = run.pendingSteps.get(step);
    if (pending !== undefined) return pending.parts.has(rank) ? pending.committed : null;
    const assembled = run.assembledSteps.get(step);
    const isThere = assembled !== undefined && (assembled.losses ?? run.live?.losses) === run.live?.losses;
    if (isThere) return assembled.ranks.has(rank) ? assembled.committed : 'late';
    if (step > run.lastAssembled) return null;
  }
  const found = stored.of(attempt, step);
  if (found === null) return known === 'stored' ? 'late' : null;
  return found.ranks.some(([first, last]) => first <= rank && rank <= last) ? STORED : 'late';
}

/** Of a sender without attempts: does a rank go back, other than by sending again what it has sent? */
function goesBack(stored: StoredSteps, run: IngestRun, parts: readonly Part[]): boolean {
  return parts.some((part) => {
    const rank = run.ranks.get(part.rank);
    if (rank !== undefined) return part.step < rank.lastStep && !isKnown(stored, run, part);
    // After a restart nothing is known of ranks: what is stored otherwise is of an earlier start of the training.
    return part.worldSize === 1 && part.step <= run.lastAssembled && stored.of(null, part.step) !== null && !isKnown(stored, run, part);
  });
}

/** Was this part of a step here before, with the same values? */
function isKnown(stored: StoredSteps, run: IngestRun, part: Part): boolean {
  const { step, rank } = part;
  const pending = run.pendingSteps.get(step)?.parts.get(rank);
  if (pending !== undefined) return markOf(pending) === markOf(part);
  // Of several ranks the file has what all of them together are.
  const mark = run.assembledSteps.get(step)?.ranks.get(rank);
  if (mark !== undefined) return mark === markOf(part);
  const { report } = part.content;
  const before = stored.of(null, step)?.values();
  return before !== undefined && Object.is(before.loss, report.loss) && isSame(before.measures, measuresAsOf(part, before.connections));
}

/** The measures of a part as they are stored: of all connections that the attempt has by now; null: it names others. */
function measuresAsOf({ connections, streams, content: { report } }: Part, stored: Listing): Float32Array | null {
  if (connections.some(({ name }) => !indexOf(stored).has(name))) return null;
  const places = placesIn(connections, stored);
  return places === null ? report.measures : widenMeasures(report.measures, connections.length, places, streams);
}

const isSame = (a: Float32Array, b: Float32Array | null): boolean =>
  a.length === b?.length && a.every((value, i) => Object.is(value, b[i]));

/** The last request of a sender without attempts comes again after the run has ended. */
function isKnownEnd(stored: StoredSteps, run: IngestRun, attempt: string | null, parts: readonly Part[]): boolean {
  return attempt === null && run.attempt === null && run.begun && run.endedAt !== null && parts.every((part) => isKnown(stored, run, part));
}
