/** The body of a POST → what a rank says of each step, in the terms of src/telemetry. Knows no run, joins no ranks (ingest does). */
import { MEASURE_INDEX, MEASURES } from '../../src/telemetry/catalogue.ts';
import type { StepReport } from '../../src/telemetry/report.ts';
import { fromWire } from '../../src/telemetry/wire.ts';
import { FieldError, shown } from '../fieldError.ts';
import { addStepCounts, type BodyCounts, createBodyCounts } from './bodyLimits.ts';
import { decodeMatrices } from './decodeMatrices.ts';
import { parseJson } from './json.ts';
import { listConnections, memoryOf, optionalNumber, type Part, partOf, sentScalars } from './part.ts';
import { MAX_STEPS, type Schemas, type StepJson } from './schema.ts';

const STEP_TYPES = ['application/vnd.gainwatch.step', 'application/octet-stream'];
const BATCH_TYPE = 'application/vnd.gainwatch.batch';
const CONTENT_TYPES = [...STEP_TYPES, BATCH_TYPE, 'application/json'];

/** @param now when it came, ms since 1970. @throws FieldError with what is wrong; 413 for too much at once, 415 for another content type */
export function decodeSteps(schemas: Schemas, contentType: string, body: Buffer, now: number): Part[] {
  const counts = createBodyCounts();
  if (STEP_TYPES.includes(contentType)) return [decodeMatrices(schemas, body, now)];
  const parts: Part[] = [];
  if (contentType === BATCH_TYPE) {
    for (const one of splitBatch(body)) parts.push(decodeMatrices(schemas, one, now, parts.at(-1), counts));
    return parts;
  }
  if (contentType === 'application/json') {
    for (const step of schemas.stepsJson(parseJson('body', body))) parts.push(decodeMeasures(step, now, parts.at(-1), counts));
    return parts;
  }
  throw new FieldError('Content-Type', `must be one of ${CONTENT_TYPES.join(', ')}`, shown(contentType), 415);
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

const COMPOSITES = ['compositeForwardGain', 'compositeBackwardGain'] as const;

/**
 * A step in JSON, with measures that are there already. G is what was sent, else the largest composite gain; H_res is not known (NaN).
 * @param now, before, counts as for `decodeMatrices`
 * @throws FieldError where a measure has not one value per connection
 */
function decodeMeasures(step: StepJson, now: number, before: Part | undefined, counts: BodyCounts): Part {
  const layers = step.order.length;
  const n = step.streams ?? (layers === 0 ? 1 : 4);
  addStepCounts(counts, layers, layers * n * n);
  const connections = listConnections(step, before, counts);
  const measures = new Float32Array(MEASURES.length * layers).fill(Number.NaN);
  for (const [key, values] of Object.entries(step.measures ?? {})) {
    if (values.length !== layers) {
      throw new FieldError(`measures.${key}`, `must have one value per connection of order (${layers})`, values.length);
    }
    values.forEach((value, l) => {
      measures[MEASURE_INDEX[key as keyof typeof MEASURE_INDEX] * layers + l] = fromWire(value);
    });
  }
  const given = COMPOSITES.flatMap((key) => step.measures?.[key] ?? []).filter((value) => value !== null);
  const largest = given.length === 0 ? null : Math.max(...given.map(fromWire));
  const report: StepReport = {
    ...sentScalars(step, now),
    memory: memoryOf(step, null, layers),
    compositeGain: optionalNumber(step.composite_gain) ?? largest,
    measures,
    mapping: new Float32Array(layers * n * n).fill(Number.NaN),
    nonfinite: new Float64Array(layers),
  };
  return partOf(step, connections, n, { report, tokens: null, matrices: null });
}
