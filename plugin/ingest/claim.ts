/**
 * Whose a run is: may a request go on with its attempt, or begin the next one? A run belongs to the training that began its attempt, and
 * that is known by the attempt's name and the training's key. Changes nothing; what an attempt is made of is lifecycle.ts's.
 *
 *   the same attempt            its own (after all its ranks closed: over)
 *   none                        the current one's, where that was opened with the same key, or both have none
 *   one before                  over: what is stored of it is known, all else is refused
 *   another                     the next, where the run has ended or is silent, or of the same training; else refused (409)
 */
import { createHash } from 'node:crypto';
import { stallSeconds } from '../../alerts/detect.ts';
import { FieldError } from '../fieldError.ts';
import { findRecording, freeName, isRunName } from '../recorder/directory.ts';
import type { Ingest, IngestRun } from './ingestRun.ts';

export type Claim = 'current' | 'next' | 'over';

/** What a request says of the training that it is of: the name of its attempt, and the SHA-256 of its key. */
export interface Claimant {
  attempt: string | null;
  key: string | null;
}

/** @throws FieldError 409 where the run belongs to another training */
export function claim(ingest: Ingest, run: IngestRun, claimant: Claimant): Claim {
  const { attempt, key } = claimant;
  if (!run.begun) return 'next';
  const isEnded = run.endedAt !== null;
  if (attempt !== null && attempt === run.attempt) {
    if (key !== null && run.key !== null && key !== run.key) {
      throw new FieldError('Gainwatch-Key', 'must be that with which the attempt was opened', null, 409);
    }
    if (!isEnded) return 'current';
    return run.isClosed ? 'over' : 'next';
  }
  if (attempt !== null && run.pastAttempts.has(attempt)) return 'over';
  if (isEnded) return 'next';
  if (attempt === null && key === run.key) return 'current';
  if (isSilent(ingest, run) || isEmpty(run)) return 'next';
  if (attempt !== null && key === run.key && (key !== null || (run.attempt !== null && familyOf(attempt) === familyOf(run.attempt))))
    return 'next';
  throw takenError(ingest, run, claimant);
}

/** A sender of before names the attempts of one training BASE, BASE.1, BASE.2 … */
const familyOf = (attempt: string): string => attempt.replace(/(\.\d+)+$/, '');

/** Opened without a name or a key, and no step has come: nobody can tell whose it is. */
const isEmpty = ({ attempt, key, lastAssembled, pendingSteps }: IngestRun): boolean =>
  attempt === null && key === null && lastAssembled < 0 && pendingSteps.size === 0;

/** Has nothing come for as long as the detector of a stall allows? */
export function isSilent({ pipeline }: Ingest, run: IngestRun): boolean {
  return pipeline.monotonic() - run.lastPartAt > 1000 * stallSeconds(run.live?.detection.detectors ?? null);
}

/** Has another training taken the run over, since this attempt of it? */
export const isTakenOver = (run: IngestRun, { attempt, key }: Claimant): boolean =>
  attempt !== null && attempt !== run.attempt && run.pastAttempts.has(attempt) && key !== run.key;

/** Of a run that another training has: the name that is free for this one, or is its own already. */
export function takenError(ingest: Ingest, run: IngestRun, claimant: Claimant): FieldError {
  const free = freeFor(ingest, run.name, claimant);
  const rule =
    `must not be one that goes on in another training: choose another name, ${free} is free; ` +
    'or send the key of that training (Gainwatch-Key); or wait until it has ended or is silent';
  return new FieldError('run', rule, run.name, 409, free);
}

/** The same for a run that no request of another process may touch. */
export const ownError = (ingest: Ingest, name: string, claimant: Claimant): FieldError => {
  const free = freeFor(ingest, name, claimant);
  return new FieldError('run', `must not be one that a training writes itself: choose another name, ${free} is free`, name, 409, free);
};

/** Names that are tried by number: each may have a recording that is to be opened. Our choice. */
const MAX_NUMBERED = 8;

/**
 * A name for a training that the run is not open to: NAME-2 … or, where those are taken too, one with the mark of the training, so that its
 * ranks meet there too.
 */
function freeFor(ingest: Ingest, run: string, claimant: Claimant): string {
  let tried = 0;
  const numbered = freeName(run, (name) => ++tried <= MAX_NUMBERED && (name === run || !isOpenTo(ingest, name, claimant)));
  if (tried <= MAX_NUMBERED) return numbered;
  const mark = createHash('sha256')
    .update(claimant.key ?? familyOf(claimant.attempt ?? ''))
    .digest('hex')
    .slice(0, 12);
  return freeName(`${run.slice(0, 48)}-${mark}`, (name) => !isOpenTo(ingest, name, claimant));
}

function isOpenTo({ runs, pipeline }: Ingest, name: string, { attempt, key }: Claimant): boolean {
  const known = runs.get(name);
  if (known !== undefined) return (attempt !== null && known.attempt === attempt) || (key !== null && known.key === key);
  if (!isRunName(name) || pipeline.live.has(name)) return false;
  if (findRecording(pipeline.directory, name) === null) return true;
  if (attempt === null && key === null) return false;
  try {
    const sent = pipeline.recorder?.readSentRun(pipeline.directory, name) ?? null;
    return sent !== null && ((attempt !== null && sent.source === attempt) || (key !== null && sent.key === key));
  } catch {
    return false;
  }
}
