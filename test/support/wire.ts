/** A sender for tests: steps of a header's connections, whole or in parts, as bodies of the wire. */
import { gzipSync } from 'node:zlib';
import { expect } from 'vitest';
import { encodeBatch, encodeStep } from '../../plugin/wire/encode.ts';
import { mapObservations } from '../../plugin/wire/part.ts';
import { readSafetensors, writeSafetensors } from '../../plugin/wire/safetensors.ts';
import type { StepAnswer } from '../../src/telemetry/api.ts';
import { MEASURES, type MeasureKey } from '../../src/telemetry/catalogue.ts';
import type { StepReport } from '../../src/telemetry/report.ts';
import type { RunHeader, StepSample } from '../../src/telemetry/sample.ts';
import { fromWire } from '../../src/telemetry/wire.ts';

/** The body of a step, with some of its metadata changed or taken away. */
export function bodyOf(
  header: RunHeader,
  sample: StepSample,
  metadata: Record<string, string | undefined> = {},
  attempt = 'first',
): Buffer {
  const { metadata: own, tensors } = readSafetensors(encodeStep(header, attempt, sample));
  const all = Object.entries({ ...own, ...metadata }).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return writeSafetensors({ metadata: Object.fromEntries(all), tensors });
}

/** Only connections from `from` to `to`. */
export function partOf(header: RunHeader, sample: StepSample, from: number, to: number): { header: RunHeader; sample: StepSample } {
  const layers = header.connections.length;
  const cut = (values: Float32Array | null) =>
    values === null ? null : values.slice((from * values.length) / layers, (to * values.length) / layers);
  return {
    header: { ...header, connections: header.connections.slice(from, to) },
    sample: {
      ...sample,
      mappings: cut(sample.mappings)!,
      ...mapObservations((key) => cut(sample[key])),
      memory: null,
    },
  };
}

type Headers = Record<string, string>;
type Monitor = { url: string };

/** Sends a body below /api/v1/. */
export async function send(service: Monitor, path: string, body: Buffer | string, headers: Headers = {}, method = 'POST') {
  const response = await fetch(`${service.url}api/v1/${path}`, {
    method,
    body: typeof body === 'string' ? body : new Uint8Array(body),
    headers,
  });
  const answer = (await response.json()) as Record<string, unknown> & { error?: { field: string; rule: string; value: unknown } };
  return { status: response.status, answer };
}

export const sendSteps = (service: Monitor, run: string, bodies: readonly Buffer[]) =>
  send(service, `runs/${run}/steps`, gzipSync(encodeBatch(bodies)), {
    'Content-Type': 'application/vnd.gainwatch.batch',
    'Content-Encoding': 'gzip',
  });

export const sendJson = (service: Monitor, run: string, body: unknown, headers: Headers = {}) =>
  send(service, `runs/${run}/steps`, JSON.stringify(body), { 'Content-Type': 'application/json', ...headers });

/** Opens or closes a run. */
export const sendState = (service: Monitor, run: string, state: unknown) => send(service, `runs/${run}`, JSON.stringify(state), {}, 'PUT');

/** Does the answer have the measures of the report, to the digits that it has? */
export function expectMeasures(answer: StepAnswer, report: StepReport, without: readonly MeasureKey[] = []): void {
  const layers = report.nonfinite.length;
  MEASURES.forEach(({ key }, m) => {
    const values = answer.measures[key].map(fromWire);
    const expected = [...report.measures.subarray(m * layers, (m + 1) * layers)];
    if (without.includes(key)) expected.fill(Number.NaN);
    // Float32 on the way, and eight digits in the answer.
    const close = expected.map((value) => (Number.isNaN(value) ? value : expect.closeTo(value, 5)));
    expect(values, key).toEqual(close);
  });
}
