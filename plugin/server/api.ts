/** The routes of `/api/v1`: runs, series, the latest step, warnings, uploads. JSON as src/telemetry/api.ts has it; the stream is stream.ts. */
import { Router } from 'express';
import { toStepAnswer } from '../../src/telemetry/answer.ts';
import type { UploadAnswer } from '../../src/telemetry/api.ts';
import { FieldError } from '../fieldError.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { onlyFields, texts, wholeNumber } from './query.ts';
import { detailOf, latestOf, listSummaries, recordedSummary, seriesOf } from './runs.ts';
import type { Stream } from './stream.ts';
import { takeUpload } from './upload.ts';
import { acknowledgeIn, warningsOf } from './warnings.ts';

export function createApi(pipeline: Pipeline, stream: Stream): Router {
  const router = Router();
  router.use((_request, response, next) => {
    response.set('Cache-Control', 'no-store');
    next();
  });
  router.get('/runs', (request, response) => {
    onlyFields(request, []);
    response.json(listSummaries(pipeline));
  });
  router.get('/runs/:run', (request, response) => {
    onlyFields(request, []);
    response.json(detailOf(pipeline, request.params.run));
  });
  router.get('/runs/:run/series', (request, response) => {
    onlyFields(request, ['measure', 'connection', 'from', 'to', 'points', 'attempt']);
    const { run } = request.params;
    const [measure, ...more] = texts(request, 'measure');
    if (measure === undefined || more.length > 0) throw new FieldError('measure', 'must be given once', request.query['measure'] ?? null);
    const connections = texts(request, 'connection');
    const from = wholeNumber(request, 'from', 0);
    const to = wholeNumber(request, 'to', 0);
    if (from !== undefined && to !== undefined && from > to) throw new FieldError('from', `must not be above to (${to})`, from);
    const query = {
      measure,
      connections: connections.length > 0 ? connections : undefined,
      from,
      to,
      points: wholeNumber(request, 'points', 1, 10_000),
      attempt: wholeNumber(request, 'attempt', 1),
    };
    response.json({ run, ...seriesOf(pipeline, run, query) });
  });
  router.get('/runs/:run/warnings', (request, response) => {
    onlyFields(request, []);
    response.json(warningsOf(pipeline, request.params.run));
  });
  router.post('/runs/:run/warnings/:id/acknowledge', (request, response) => {
    onlyFields(request, []);
    const { run, id } = request.params;
    const { answer, told } = acknowledgeIn(pipeline, run, id);
    if (!told) stream.tell('warning', run, answer);
    response.json(answer);
  });
  router.post('/recordings', async (request, response) => {
    onlyFields(request, []);
    const run = await takeUpload(pipeline, request, response);
    const summary = recordedSummary(pipeline, run);
    if (summary !== null) stream.tell('run', run, summary);
    response.status(201).json({ run } satisfies UploadAnswer);
  });
  router.get('/runs/:run/steps/latest', (request, response) => {
    onlyFields(request, []);
    const step = latestOf(pipeline, request.params.run);
    if (step === null) throw new FieldError('run', 'has no step yet', request.params.run, 404);
    response.json(toStepAnswer(step.header, step.attempt, step.report, step.forecast));
  });
  router.use((request) => {
    throw new FieldError(
      'path',
      'is not known here: GET /runs, /runs/RUN, /runs/RUN/series, /runs/RUN/steps/latest, /runs/RUN/warnings, /stream, POST /runs/RUN/warnings/ID/acknowledge, /runs/RUN/steps, /recordings, PUT /runs/RUN',
      `${request.method} ${request.path}`,
      404,
    );
  });
  return router;
}
