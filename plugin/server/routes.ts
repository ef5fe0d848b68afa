/** The routes of `/api/v1`: rights, runs, series, steps, warnings, uploads; JSON as src/telemetry/api.ts has it. Stream: stream.ts. */
import { type Request, type Response, Router } from 'express';
import { toStepAnswer } from '../../src/telemetry/answer.ts';
import type { GoneAnswer, RightsAnswer, UploadAnswer } from '../../src/telemetry/api.ts';
import { FieldError, short } from '../fieldError.ts';
import type { Ingest } from '../ingest/ingestRun.ts';
import { handleUpload } from '../upload/handleUpload.ts';
import { requesterOf, whoOf } from './authorize.ts';
import { deleteRun } from './deleteRun.ts';
import { onlyFields, SERIES_FIELDS, seriesQueryOf } from './query.ts';
import { acknowledgeIn, detailOf, latestOf, listSummaries, recordedSummary, seriesOf, warningsOf } from './runAnswers.ts';
import type { Stream } from './stream.ts';

/** What an unknown path is answered with; those of other processes' runs are ingestRoutes.ts's. */
const KNOWN =
  'is not known here: GET /rights, /runs, /runs/RUN, /runs/RUN/series, /runs/RUN/steps/latest, /runs/RUN/warnings, /stream, ' +
  'POST /runs/RUN/warnings/ID/acknowledge, /runs/RUN/steps, /recordings, PUT /runs/RUN, DELETE /runs/RUN';

/** The routes; what an event of them changes without the pipeline is emitted to the stream. */
export function createRoutes(ingest: Ingest, stream: Stream): Router {
  const { pipeline } = ingest;
  const router = Router();
  router.use((_request, response, next) => {
    response.set('Cache-Control', 'no-store');
    next();
  });
  /** Who did what, and when, for whoever asks later. */
  const log = (what: string, request: Request, response: Response) =>
    pipeline.onProblem(`${new Date(pipeline.now()).toISOString()} ${what} by ${whoOf(request, response)}`);
  router.get('/rights', onlyFields(), (_request, response) => {
    response.json({ rights: [...requesterOf(response).rights] } satisfies RightsAnswer);
  });
  router.get('/runs', onlyFields(), async (_request, response) => {
    response.json(await listSummaries(pipeline));
  });
  router.get('/runs/:run', onlyFields(), (request, response) => {
    response.json(detailOf(pipeline, request.params.run));
  });
  router.get('/runs/:run/series', onlyFields(...SERIES_FIELDS), (request, response) => {
    response.json(seriesOf(pipeline, request.params.run, seriesQueryOf(request)));
  });
  router.get('/runs/:run/warnings', onlyFields(), (request, response) => {
    response.json(warningsOf(pipeline, request.params.run));
  });
  router.post('/runs/:run/warnings/:id/acknowledge', onlyFields(), (request, response) => {
    const { run, id } = request.params;
    const { answer, emitted } = acknowledgeIn(pipeline, run, id, (warning) =>
      log(`warning ${warning.id} of run ${run} (${warning.rule}, step ${warning.step}) was acknowledged`, request, response),
    );
    if (!emitted) stream.emit('warning', run, answer);
    response.json(answer);
  });
  router.delete('/runs/:run', onlyFields(), (request, response) => {
    const { run } = request.params;
    deleteRun(ingest, run);
    stream.emit('gone', run, { run });
    log(`run ${run} was deleted`, request, response);
    response.json({ run } satisfies GoneAnswer);
  });
  router.post('/recordings', onlyFields(), async (request, response) => {
    const run = await handleUpload(pipeline, request, response);
    const summary = recordedSummary(pipeline, run);
    if (summary !== null) stream.emit('run', run, summary);
    response.status(201).json({ run } satisfies UploadAnswer);
  });
  router.get('/runs/:run/steps/latest', onlyFields(), (request, response) => {
    const step = latestOf(pipeline, request.params.run);
    if (step === null) throw new FieldError('run', 'has no step yet', request.params.run, 404);
    response.json(toStepAnswer(step.header, step.attempt, step.report, step.forecast));
  });
  router.use((request) => {
    throw new FieldError('path', KNOWN, short(`${request.method} ${request.path}`), 404);
  });
  return router;
}
