/** The routes by which other processes send their runs: `PUT /runs/RUN` and `POST /runs/RUN/steps`, as openapi.yaml has them. */
import express, { type ErrorRequestHandler, type Request, type RequestHandler, Router } from 'express';
import { toWarningAnswer } from '../../src/telemetry/answer.ts';
import type { StepsAnswer } from '../../src/telemetry/api.ts';
import { toWireOrNull } from '../../src/telemetry/wire.ts';
import { FieldError } from '../fieldError.ts';
import { handlePart } from '../ingest/handlePart.ts';
import type { Ingest, IngestRun, PartResult } from '../ingest/ingestRun.ts';
import { closeRank, openRank } from '../ingest/lifecycle.ts';
import type { Committed } from '../pipeline/liveRun.ts';
import { isRunName, RUN_NAME_RULE } from '../recorder/directory.ts';
import { within } from '../timers.ts';
import { decodeSteps, parseJson } from '../wire/decode.ts';
import { connectionsOf, rankPositionOf } from '../wire/part.ts';
import type { RunState, Schemas } from '../wire/schema.ts';
import { onlyFields } from './query.ts';

/** Of one body, unpacked. Our choice: four times a batch of the sender's. */
const MAX_BODY_BYTES = 16 * 2 ** 20;
/** That are read at the same time. Our choice: with the largest bodies 1 GiB. */
const MAX_BODIES = 64;
/** How long an answer waits for the other ranks and for the disk: longer than ranks are waited for, shorter than a sender waits. */
const MAX_ANSWER_MS = 20_000;
/** After which a sender should try again. Our choice. */
const RETRY_AFTER_SECONDS = 2;

/** The routes; what is refused is counted. */
export function createIngestRoutes(ingest: Ingest): Router {
  let schemas: Promise<Schemas> | null = null;
  /** Loaded with the first request: it takes a fifth of a second, and the monitor of a training process seldom has one. */
  const load = () => {
    schemas ??= import('../wire/schema.ts').then(({ compileSchemas }) => compileSchemas());
    return schemas;
  };
  const router = Router();
  router.put('/runs/:run', checkVersion, bounded(), onlyFields(), async (request, response) => {
    const run = runIn(request);
    const state = (await load()).runState(parseJson(bodyOf(request)));
    response.json({ run, attempt: setState(ingest, run, state)?.live?.attempt ?? null });
  });
  router.post('/runs/:run/steps', checkVersion, bounded(), onlyFields(), async (request, response) => {
    const run = runIn(request);
    const contentType = (request.headers['content-type'] ?? '').split(';')[0].trim().toLowerCase();
    const parts = decodeSteps(await load(), contentType, bodyOf(request), ingest.pipeline.now());
    const counts: Record<PartResult, number> = { accepted: 0, duplicates: 0, late: 0 };
    const committed = parts.map((part) => {
      const { result, committed } = handlePart(ingest, run, part);
      counts[result]++;
      return committed;
    });
    await allCommitted(run, committed);
    const { last, detection } = ingest.runs.get(run)?.live ?? {};
    const active = (detection?.warnings ?? []).filter(({ clearedTime }) => clearedTime === null);
    const composite_gain = toWireOrNull(last?.compositeGain);
    response.json({ ...counts, composite_gain, warnings: active.map(toWarningAnswer) } satisfies StepsAnswer);
  });
  router.use(((error: unknown, _request, response, next) => {
    const refused = toFieldError(error);
    if (refused !== null) {
      ingest.refused.set(refused.status, (ingest.refused.get(refused.status) ?? 0) + 1);
      if (refused.status === 429 || refused.status === 503) response.set('Retry-After', String(RETRY_AFTER_SECONDS));
    }
    next(refused ?? error);
  }) satisfies ErrorRequestHandler);
  return router;
}

/** Opens or closes a rank. @returns what is known of its run; null: nothing */
function setState(ingest: Ingest, run: string, state: RunState): IngestRun | null {
  const position = rankPositionOf(state);
  if (state.state === 'closed') return closeRank(ingest, run, position, state.outcome ?? 'unknown');
  return openRank(ingest, run, position, { connections: connectionsOf(state), streams: state.streams, tokens: state.tokens ?? null });
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

const bodyOf = (request: Request): Buffer => (Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0));

/** Reads the body, unpacked, and no more of them at once than memory has place for. */
function bounded(): RequestHandler {
  const read = express.raw({ type: () => true, limit: MAX_BODY_BYTES });
  let reading = 0;
  return (request, response, next) => {
    if (reading >= MAX_BODIES) throw new FieldError('body', `must wait: ${MAX_BODIES} bodies come at the same time`, null, 503);
    reading++;
    read(request, response, (error?: unknown) => {
      reading--;
      next(error);
    });
  };
}

/** @throws FieldError 503 where a step could not be committed in time: the sender keeps it */
async function allCommitted(run: string, committed: readonly Promise<Committed>[]): Promise<void> {
  const done = await within(Promise.all(committed), MAX_ANSWER_MS, ['dropped']);
  if (done.includes('dropped')) {
    const rule = 'could not be committed yet (stages that nothing is heard of, a disk that refuses): send it again';
    throw new FieldError('body', rule, run, 503);
  }
}

/** What express says of a body, in our own words; null: none of the client's. */
function toFieldError(error: unknown): FieldError | null {
  if (error instanceof FieldError) return error;
  const { status, type, message } = error as { status?: number; type?: string; message?: string };
  if (status === undefined || status < 400 || status >= 500) return null;
  if (type === 'entity.too.large') return new FieldError('body', `must have at most ${MAX_BODY_BYTES} bytes, unpacked`, null, 413);
  if (type === 'encoding.unsupported')
    return new FieldError('Content-Encoding', `must be gzip, deflate, br or none: ${message}`, null, 415);
  return new FieldError('body', `must be readable: ${message}`, null, status);
}
