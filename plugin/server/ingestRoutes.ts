/** The routes by which other processes send their runs: `PUT /runs/RUN` and `POST /runs/RUN/steps`, as openapi.yaml has them. */
import { type ErrorRequestHandler, type Request, type RequestHandler, Router } from 'express';
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
import { connectionsOf, rankPositionOf } from '../wire/part.ts';
import type { RunState } from '../wire/schema.ts';
import { onlyFields } from './query.ts';
import { createBodyReader } from './readBody.ts';

/** How long an answer waits for the other ranks and for the disk: longer than ranks are waited for, shorter than a sender waits. */
const MAX_ANSWER_MS = 20_000;
/** After which a sender should try again. Our choice. */
const RETRY_AFTER_SECONDS = 2;

/** The routes; what is refused is counted. */
export function createIngestRoutes(ingest: Ingest): Router {
  const readBody = createBodyReader();
  const router = Router();
  router.put('/runs/:run', checkVersion, readBody, onlyFields(), async (request, response) => {
    const run = runIn(request);
    const state = await ingest.analyst.decodeState(bodyOf(request));
    response.json({ run, attempt: setState(ingest, run, state)?.live?.attempt ?? null });
  });
  router.post('/runs/:run/steps', checkVersion, readBody, onlyFields(), async (request, response) => {
    const run = runIn(request);
    const contentType = (request.headers['content-type'] ?? '').split(';')[0].trim().toLowerCase();
    const parts = await ingest.analyst.decode(contentType, bodyOf(request), ingest.pipeline.now());
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
    if (error instanceof FieldError) {
      ingest.refused.set(error.status, (ingest.refused.get(error.status) ?? 0) + 1);
      if (error.status === 429 || error.status === 503) response.set('Retry-After', String(RETRY_AFTER_SECONDS));
    }
    next(error);
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

/** @throws FieldError 503 where a step could not be committed in time: the sender keeps it */
async function allCommitted(run: string, committed: readonly Promise<Committed>[]): Promise<void> {
  const done = await within(Promise.all(committed), MAX_ANSWER_MS, ['dropped']);
  if (done.includes('dropped')) {
    const rule = 'could not be committed yet (stages that nothing is heard of, a disk that refuses): send it again';
    throw new FieldError('body', rule, run, 503);
  }
}
