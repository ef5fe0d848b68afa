/** The body of a POST → what a rank says of each step, in the terms of src/telemetry. Knows no run, joins no ranks (ingest does). */
import { FieldError, shown } from '../fieldError.ts';
import { decodeMatrices } from './decodeMatrices.ts';
import { decodeMeasures } from './decodeMeasures.ts';
import type { Part } from './part.ts';
import { MAX_STEPS, type Schemas } from './schema.ts';

const STEP_TYPES = ['application/vnd.gainwatch.step', 'application/octet-stream'];
const BATCH_TYPE = 'application/vnd.gainwatch.batch';
const CONTENT_TYPES = [...STEP_TYPES, BATCH_TYPE, 'application/json'];

/** @param now when it came, ms since 1970. @throws FieldError with what is wrong; 415 for another content type */
export function decodeSteps(schemas: Schemas, contentType: string, body: Buffer, now: number): Part[] {
  if (contentType === BATCH_TYPE) return splitBatch(body).map((one) => decodeMatrices(schemas, one, now));
  if (STEP_TYPES.includes(contentType)) return [decodeMatrices(schemas, body, now)];
  if (contentType === 'application/json') return schemas.stepsJson(parseJson(body)).map((step) => decodeMeasures(step, now));
  throw new FieldError('Content-Type', `must be one of ${CONTENT_TYPES.join(', ')}`, shown(contentType), 415);
}

/** @throws FieldError where the body is not JSON */
export function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw new FieldError('body', `must be JSON: ${(error as Error).message.slice(0, 100)}`, shown(body.toString('utf8', 0, 400)));
  }
}

function splitBatch(body: Buffer): Buffer[] {
  const bodies: Buffer[] = [];
  let at = 0;
  while (at < body.length) {
    if (bodies.length === MAX_STEPS) throw new FieldError('body', `must have at most ${MAX_STEPS} steps`, `more, ${body.length} bytes`);
    const left = body.length - at - 8;
    const length = left < 0 ? -1n : body.readBigUInt64LE(at);
    if (length < 0n || length > left) {
      const rule = 'must have as many bytes as the length before it says, 8 bytes of length included';
      throw new FieldError(`body[${bodies.length}]`, rule, `${body.length - at} bytes left`);
    }
    bodies.push(body.subarray(at + 8, at + 8 + Number(length)));
    at += 8 + Number(length);
  }
  if (bodies.length === 0) throw new FieldError('body', 'must have at least one step', '0 bytes');
  return bodies;
}
