/** The routes by which other processes send their runs: `PUT /runs/RUN` and `POST /runs/RUN/steps`, as openapi.yaml has them. */
import { createHash } from 'node:crypto';
import { type ErrorRequestHandler, type Request, type RequestHandler, type Response, Router } from 'express';
import { toWarningAnswer } from '../../src/telemetry/answer.ts';
import type { StepsAnswer } from '../../src/telemetry/api.ts';
import { toWireOrNull } from '../../src/telemetry/wire.ts';
import { FieldError } from '../fieldError.ts';
import { handleParts } from '../ingest/handleParts.ts';
import type { Ingest, IngestRun } from '../ingest/ingestRun.ts';
import { closeRank, openRank } from '../ingest/lifecycle.ts';
import type { Committed } from '../pipeline/liveRun.ts';
import { isRunName, RUN_NAME_RULE } from '../recorder/directory.ts';
import { within } from '../timers.ts';
import { connectionsOf, rankPositionOf } from '../wire/part.ts';
import type { RunState } from '../wire/schema.ts';
import { onlyFields } from './query.ts';
import { createBodyReader } from './readBody.ts';

/** How long an answer waits for the other ranks and for the disk: longer than ranks are waited for, shorter than a sender waits. */
const MAX_ANSWER_MS = 20_000;
/** How often it is asked meanwhile whether the recording refuses. Our choice. */
const ASK_MS = 250;
/** After which a sender should try again; the same where the recording refuses, which is tried every 5 s. Our choice. */
const RETRY_AFTER_SECONDS = 2;
const RECORDING_RETRY_SECONDS = 5;

const KEY = /^[A-Za-z0-9._:-]{8,128}$/;

/** The routes; what is refused is counted. */
export function createIngestRoutes(ingest: Ingest): Router {
  const router = Router();
  const read = createBodyReader();
  router.put('/runs/:run', checkVersion, beginReading(ingest), read, onlyFields(), async (request, response) => {
    const run = runIn(request);
    const key = keyIn(request);
    const state = await ingest.analyst.decodeState(request.body as Buffer);
    const known = afterReading(response, () => setState(ingest, run, state, key));
    response.json({ run, attempt: known?.live?.recording?.attempt ?? null });
  });
  router.post('/runs/:run/steps', checkVersion, beginReading(ingest), read, onlyFields(), async (request, response) => {
    const run = runIn(request);
    const key = keyIn(request);
    const contentType = (request.headers['content-type'] ?? '').split(';')[0].trim().toLowerCase();
    const parts = await ingest.analyst.decode(contentType, request.body as Buffer, ingest.pipeline.now());
    const { committed, ...counts } = afterReading(response, () => handleParts(ingest, run, parts, key));
    await allCommitted(ingest, run, committed);
    const { last, detection } = ingest.runs.get(run)?.live ?? {};
    const active = (detection?.warnings ?? []).filter(({ clearedTime }) => clearedTime === null);
    const composite_gain = toWireOrNull(last?.compositeGain);
    response.json({ ...counts, late: 0, composite_gain, warnings: active.map(toWarningAnswer) } satisfies StepsAnswer);
  });
  router.use(((error: unknown, _request, response, next) => {
    if (error instanceof FieldError) {
      const { status } = error;
      ingest.refused.set(status, (ingest.refused.get(status) ?? 0) + 1);
      if (status === 503) noteTurnedAway(ingest, response);
      if (status === 429 || status === 503)
        response.set('Retry-After', String(error.field === 'recording' ? RECORDING_RETRY_SECONDS : RETRY_AFTER_SECONDS));
    }
    next(error);
  }) satisfies ErrorRequestHandler);
  return router;
}

/** Opens or closes a rank. @returns what is known of its run; null: nothing */
function setState(ingest: Ingest, run: string, state: RunState, key: string | null): IngestRun | null {
  const position = rankPositionOf(state);
  if (state.state === 'closed')
    return closeRank(ingest, run, { ...position, worldSize: state.world_size }, state.outcome ?? 'unknown', key);
  const { streams, tokens = null, self_test: selfTest = [] } = state;
  return openRank(ingest, run, position, { connections: connectionsOf(state), streams, tokens, selfTest }, key);
}

const checkVersion: RequestHandler = (request, _response, next) => {
  const version = request.headers['gainwatch-version'];
  if (version !== undefined && version !== '1') throw new FieldError('Gainwatch-Version', 'must be 1', version);
  next();
};

function runIn(request: Request): string {
  const { run } = request.params;
  if (typeof run !== 'string' || !isRunName(run)) throw new FieldError('run', RUN_NAME_RULE, run);
  return run;
}

/** SHA-256 of the key that was sent, hex: the key itself is kept nowhere. @throws FieldError where it cannot be one */
function keyIn({ headers }: Request): string | null {
  const key = headers['gainwatch-key'];
  if (key === undefined) return null;
  if (typeof key !== 'string' || !KEY.test(key)) throw new FieldError('Gainwatch-Key', 'must be 8 to 128 of A–Z a–z 0–9 . _ : -', null);
  return createHash('sha256').update(key).digest('hex');
}

const nameIn = (request: Request): string | null =>
  typeof request.params['run'] === 'string' && isRunName(request.params['run']) ? request.params['run'] : null;

/** A handler that counts the request among those of its run that are being read, until it is acted upon, or its end. */
const beginReading =
  (ingest: Ingest): RequestHandler =>
  (request, response, next) => {
    const name = nameIn(request);
    if (name !== null) {
      // The handler of errors has no parameters of the path.
      response.locals['run'] = name;
      ingest.reading.set(name, (ingest.reading.get(name) ?? 0) + 1);
      let ended = false;
      const end = () => {
        if (ended) return;
        ended = true;
        const left = (ingest.reading.get(name) ?? 1) - 1;
        if (left > 0) ingest.reading.set(name, left);
        else ingest.reading.delete(name);
      };
      response.locals['endReading'] = end;
      response.once('close', end);
    }
    next();
  };

/** Does what a request asks for that has been read. */
function afterReading<T>({ locals }: Response, act: () => T): T {
  (locals['endReading'] as (() => void) | undefined)?.();
  return act();
}

function noteTurnedAway({ turnedAway, pipeline }: Ingest, { locals }: Response): void {
  const name: unknown = locals['run'];
  if (typeof name === 'string') turnedAway.set(name, pipeline.monotonic());
}

/**
 * @throws FieldError 503 where a step could not be committed in time, or its recording refuses: the sender keeps it; 422 where one can
 * never be kept
 */
async function allCommitted(ingest: Ingest, run: string, committed: readonly Promise<Committed>[]): Promise<void> {
  const { pipeline } = ingest;
  const all = Promise.all(committed);
  const live = ingest.runs.get(run)?.live ?? null;
  const losses = live?.losses;
  const start = pipeline.monotonic();
  while (pipeline.monotonic() - start < MAX_ANSWER_MS) {
    const done = await within(all, ASK_MS, null);
    const problem = ingest.runs.get(run)?.live?.recordingProblem ?? null;
    if (done?.includes('impossible'))
      throw new FieldError('body', 'holds a step that cannot be kept (the log of the monitor says why)', run, 422);
    if (done !== null && !done.includes('dropped')) {
      // Some of it may have been committed before that, and is gone with the file.
      if (live?.losses === losses) return;
      throw new FieldError('recording', 'was taken away meanwhile: send it again', run, 503);
    }
    if (problem !== null) throw new FieldError('recording', `cannot be written now: ${problem}: send it again`, run, 503);
    if (done !== null) break;
  }
  throw new FieldError('body', 'could not be committed yet (ranks or stages that nothing is heard of): send it again', run, 503);
}
