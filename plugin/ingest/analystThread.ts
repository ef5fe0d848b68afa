/** The analyst's thread: bodies are read and matrices analysed here, one after another, beside the event loop of the server. */
import { parentPort } from 'node:worker_threads';
import { analyse } from '../../src/telemetry/analyse.ts';
import { FieldError } from '../fieldError.ts';
import { decodeSteps } from '../wire/decode.ts';
import { parseJson } from '../wire/json.ts';
import { compileSchemas } from '../wire/schema.ts';
import { type AnalystReply, type AnalystRequest, type AnalystTasks, buffersOf, type TaskName } from './analystMessages.ts';

const schemas = compileSchemas();
const bufferOf = ({ buffer, byteOffset, byteLength }: Uint8Array): Buffer => Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength);

/** The answer, and what of its memory goes with it. @throws FieldError where the request cannot be */
function handle(request: AnalystRequest): [answer: AnalystTasks[TaskName]['answer'], transferred: ArrayBuffer[]] {
  if (request.task === 'state') return [schemas.runState(parseJson('body', bufferOf(request.body))), []];
  if (request.task === 'sample') {
    const report = analyse(request.header, request.sample);
    return [report, buffersOf([report])];
  }
  const parts = decodeSteps(schemas, request.contentType, bufferOf(request.body), request.now);
  const arrays = parts.flatMap(({ content: { report, matrices } }) => (matrices === null ? [report] : [report, matrices.sample]));
  return [parts, buffersOf(arrays)];
}

parentPort?.on('message', (request: AnalystRequest) => {
  const { id } = request;
  const reply = (message: AnalystReply, transferred: ArrayBuffer[] = []) => parentPort?.postMessage(message, transferred);
  try {
    const [answer, transferred] = handle(request);
    reply({ id, answer }, transferred);
  } catch (error) {
    if (!(error instanceof FieldError)) return reply({ id, failed: (error as Error).message });
    const { field, rule, value, status } = error;
    reply({ id, refused: { field, rule, value, status } });
  }
});
