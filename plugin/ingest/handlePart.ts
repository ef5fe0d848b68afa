/**
 * One rank's part of a step comes in: is it of this attempt, was it here before, or is it late? What is new waits for the other
 * ranks (join.ts). No HTTP here (server).
 */
import { FieldError } from '../fieldError.ts';
import type { Committed } from '../pipeline/liveRun.ts';
import type { Part } from '../wire/part.ts';
import type { Ingest, IngestRun, PartResult } from './ingestRun.ts';
import { addPendingStep, assembleReadySteps } from './join.ts';
import { admitRank, isOver, withRun } from './lifecycle.ts';

export interface HandledPart {
  result: PartResult;
  /** What becomes of its step; `dropped`: it was not kept. */
  committed: Promise<Committed>;
}

/**
 * Adds one rank's part of a step to the run, and counts it.
 * @throws FieldError 429 or 503 where a limit is reached, 409 where it contradicts what the run has sent before
 */
export function handlePart(ingest: Ingest, name: string, part: Part): HandledPart {
  return withRun(ingest, name, (run) => {
    const handled = addPart(ingest, run, part);
    run.counts[handled.result]++;
    return handled;
  });
}

function addPart(ingest: Ingest, run: IngestRun, part: Part): HandledPart {
  const committedBefore = Promise.resolve<Committed>('committed');
  if (isOver(run, part.attempt)) return { result: 'late', committed: committedBefore };
  const { connections, streams, content } = part;
  const isStepBack = part.step < (run.ranks.get(part.rank)?.lastStep ?? Number.NEGATIVE_INFINITY);
  const rank = admitRank(ingest, run, part, { connections, streams, tokens: content.tokens }, isStepBack);
  if (part.step <= run.lastAssembled) {
    const assembled = run.assembledSteps.get(part.step);
    const result = assembled === undefined || assembled.ranks.has(part.rank) ? 'duplicates' : 'late';
    return { result, committed: result === 'late' ? committedBefore : (assembled?.committed ?? committedBefore) };
  }
  const known = run.pendingSteps.get(part.step);
  if (known?.parts.has(part.rank)) return { result: 'duplicates', committed: known.committed };
  if (ingest.waitingBytes + part.size > ingest.limits.waitingBytes) {
    throw new FieldError('body', `must wait: ${ingest.limits.waitingBytes} bytes wait for other ranks already`, part.size, 503);
  }
  const pending = known ?? addPendingStep(run, part.step, run.lastPartAt);
  ingest.waitingBytes += part.size;
  pending.parts.set(part.rank, part);
  rank.lastStep = Math.max(rank.lastStep, part.step);
  rank.ended = null;
  assembleReadySteps(ingest, run);
  return { result: 'accepted', committed: pending.committed };
}
