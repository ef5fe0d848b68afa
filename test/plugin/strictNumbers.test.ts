/** Every number that can reach a counter, and every name that could be one of JavaScript's own: as they come in, and in the metrics. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createMetrics } from '../../plugin/metrics/metrics.ts';
import { createPipeline, handleReport, openRun } from '../../plugin/pipeline/pipeline.ts';
import { decodeSteps } from '../../plugin/wire/decode.ts';
import { encodeStep } from '../../plugin/wire/encode.ts';
import { compileSchemas, readDescription } from '../../plugin/wire/schema.ts';
import type { StepAnswer } from '../../src/telemetry/api.ts';
import { testHeader, testReport, testSample } from '../support/samples.ts';
import { ask, json, start } from '../support/service.ts';
import { bodyOf, partOf, sendJson, sendState, sendSteps } from '../support/wire.ts';

const header = testHeader('sent', 4, 4, 8);
const schemas = compileSchemas();
const OWN_NAMES = ['constructor', '__proto__', 'toString', 'hasOwnProperty', 'valueOf', '__defineGetter__'];

describe('numbers', () => {
  const { StepJson, StepMetadata, Place } = (
    readDescription() as { components: { schemas: Record<string, { properties: Record<string, unknown> }> } }
  ).components.schemas;
  const isNumeric = (schema: unknown) => /"(number|integer|const)"|Number|Count|Rank|Time|Duration/.test(JSON.stringify(schema));
  const fields = Object.entries({ ...StepJson.properties, ...StepMetadata.properties, ...Place.properties }).filter(([, schema]) =>
    isNumeric(schema),
  );
  const names = fields.map(([name]) => name);
  const counts = ['overhead_seconds', 'samples_dropped', 'errors', 'micro_batch', 'rank', 'step', 'time'];

  test('are looked for in the description', () => {
    expect(names).toEqual(expect.arrayContaining([...counts, 'loss', 'memory', 'tokens', 'world_size', 'step_seconds', 'composite_gain']));
  });

  /** One value where the field has one, in its list or by its kind otherwise. */
  const placed = (name: string, text: string) =>
    name === 'tokens' ? `[${text}]` : name === 'memory' ? `{"own":${text}}` : name === 'measures' ? `{"forwardGain":[${text}]}` : text;

  test('law: one that is not finite is refused in every field, in JSON and in metadata', () => {
    fc.assert(
      fc.property(fc.constantFrom(...names), fc.constantFrom('1e999', '-1e999', '1e400', '"1"', '[[]]'), (name, text) => {
        const value = placed(name, text);
        const body = `{${name === 'step' ? '' : '"step":1,'}"order":["a"],"${name}":${value}}`;
        expect(() => decodeSteps(schemas, 'application/json', Buffer.from(body), 0)).toThrow(
          expect.objectContaining({ status: 400, field: expect.stringContaining(name) }),
        );
        if (['streams', 'composite_gain', 'measures'].includes(name)) return;
        const step = bodyOf(header, testSample(header, 1), { [name]: value });
        expect(() => decodeSteps(schemas, 'application/vnd.gainwatch.step', step, 0)).toThrow(
          expect.objectContaining({ status: 400, field: expect.stringContaining(name) }),
        );
      }),
      { numRuns: 300 },
    );
  });

  test('law: a count is whole where it counts, not below zero, and no larger than a sum of many can be', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...counts),
        fc.constantFrom('-1', '-1e-9', '1e300', '1.7e308', 'NaN', '"NaN"', '"Infinity"'),
        (name, text) => {
          const body = Buffer.from(`{${name === 'step' ? '' : '"step":1,'}"order":["a"],"${name}":${text}}`);
          expect(() => decodeSteps(schemas, 'application/json', body, 0)).toThrow(expect.objectContaining({ status: 400 }));
        },
      ),
    );
  });

  test.each(['-1', '1e10', '-0.5'])('a step that took %s seconds is none', async (text) => {
    const service = await start();
    const { status, answer } = await sendJson(service, 'a', { step: 1, order: ['a'], step_seconds: Number(text) });
    expect(status).toBe(400);
    expect(answer.error).toMatchObject({ field: 'step_seconds', rule: expect.stringMatching(/must be [<>]=/) });
  });

  test('a refused one leaves the metrics as they were, of its own run and of all others', async () => {
    const service = await start();
    await sendJson(service, 'good', { step: 1, order: ['a'], loss: 2 });
    for (const name of ['overhead_seconds', 'samples_dropped', 'errors']) {
      const sent = await fetch(`${service.url}api/v1/runs/bad/steps`, {
        method: 'POST',
        body: `{"step":1,"order":["a"],"${name}":1e999}`,
        headers: { 'Content-Type': 'application/json' },
      });
      expect(sent.status).toBe(400);
    }
    const { status, body } = await ask(service, '/metrics');
    expect(status).toBe(200);
    expect(body).toContain('mhc_training_loss{run="good"} 2');
  });
});

describe("names that are JavaScript's own", () => {
  test.each(OWN_NAMES)('%s is no field', async (name) => {
    const service = await start();
    const sent = await fetch(`${service.url}api/v1/runs/a/steps`, {
      method: 'POST',
      body: `{"step":1,"order":["a"],"${name}":1}`,
      headers: { 'Content-Type': 'application/json' },
    });
    expect(sent.status).toBe(400);
    expect(await sent.json()).toMatchObject({ error: { field: name, rule: 'is not known here' } });
    expect(await sendState(service, 'a', JSON.parse(`{"state":"closed","${name}":1}`))).toMatchObject({
      status: 400,
      answer: { error: { field: name } },
    });
    expect((await fetch(`${service.url}api/v1/runs/a/series?measure=${name}`)).status).toBe(404);
  });

  test.each(OWN_NAMES)('connections called %s are those of any name, in matrices and in measures', async (name) => {
    const service = await start();
    const named = { ...header, connections: header.connections.map((one, l) => (l === 1 ? { ...one, name } : one)) };
    expect(await sendSteps(service, 'sent', [encodeStep(named, 'a', testSample(named, 1))])).toMatchObject({
      status: 200,
      answer: { accepted: 1 },
    });
    const twice = { ...header, connections: header.connections.map((one, l) => (l < 2 ? { ...one, name } : one)) };
    expect(() =>
      decodeSteps(
        schemas,
        'application/json',
        Buffer.from(JSON.stringify({ step: 1, order: twice.connections.map((one) => one.name) })),
        0,
      ),
    ).toThrow(/order/);
    expect((await ask(service, '/metrics')).body).toContain(`mhc_layer_forward_gain_ratio{run="sent",layer="${name}"}`);
    const series = await json<{ series: { connection: string; min: number[] }[] }>(
      service,
      `api/v1/runs/sent/series?measure=forwardGain&connection=${name}`,
    );
    expect(series.series).toMatchObject([{ connection: name, min: [expect.any(Number)] }]);
  });

  test('memory of such kinds is added up over the stages like any', async () => {
    const service = await start();
    const sample = testSample(header, 1);
    const memory = '{"constructor":5,"__proto__":7,"allocated":11}';
    const bodies = [0, 1].map((stage) => {
      const half = partOf(header, sample, 2 * stage, 2 * stage + 2);
      return bodyOf(half.header, half.sample, { rank: String(stage), world_size: '2', stage: String(stage), stages: '2', memory });
    });
    await Promise.all(bodies.map((body) => sendSteps(service, 'sent', [body])));
    const { body } = await ask(service, '/metrics');
    for (const [kind, bytes] of [
      ['constructor', 10],
      ['__proto__', 14],
      ['allocated', 22],
    ])
      expect(body).toContain(`mhc_training_memory_bytes{run="sent",kind="${kind}"} ${bytes}`);
    const { memory: answered } = await json<StepAnswer>(service, 'api/v1/runs/sent/steps/latest');
    expect(Object.entries(answered!.totals)).toEqual([
      ['constructor', 10],
      ['__proto__', 14],
      ['allocated', 22],
    ]);
  });
});

describe('one run with rotten numbers', () => {
  test.each([Number.POSITIVE_INFINITY, Number.NaN, -1, 'text' as unknown as number])(
    '%s in it is left out and counted; the others are whole',
    async (rotten) => {
      const pipeline = createPipeline({ directory: '', recorder: null, now: () => 1000, onProblem: () => {} });
      const metrics = createMetrics('1');
      pipeline.sinks.add(metrics.sink);
      const [bad, good] = ['bad', 'good'].map((run) => openRun(pipeline, testHeader(run)));
      const monitor = { overheadSeconds: rotten, samplesDropped: rotten, errors: 0 };
      handleReport(pipeline, bad, {
        ...testReport(bad.header, 1),
        monitor,
        stepSeconds: rotten,
        nonfinite: Float64Array.of(rotten, 1, 2),
        time: 'x' as unknown as number,
      });
      handleReport(pipeline, good, testReport(good.header, 1));
      for (const format of [undefined, 'application/openmetrics-text']) {
        const { body } = await metrics.scrape(format);
        const overhead = format === undefined ? 'mhc_monitor_overhead_seconds_total' : 'mhc_monitor_overhead_seconds_total';
        expect(body).toContain(`${overhead}{run="good"} 0.001`);
        expect(body).not.toContain(`${overhead}{run="bad"}`);
        expect(body).toContain('mhc_nonfinite_values_total{run="bad",layer="block0.mlp"} 1');
        expect(body).toContain('mhc_training_loss{run="bad"} 5');
        expect(body).toContain('mhc_training_step_seconds_count{run="good"} 1');
      }
      const errors = async () => /mhc_monitor_errors_total\{run="bad"\} (\d+)/.exec((await metrics.scrape()).body)?.[1];
      const counted = await errors();
      expect(Number(counted)).toBeGreaterThanOrEqual(3);
      expect(await errors()).toBe(counted);
    },
  );

  test('a run of which a metric cannot be made at all costs that series', async () => {
    const pipeline = createPipeline({ directory: '', recorder: null, now: () => 1000, onProblem: () => {} });
    const metrics = createMetrics('1');
    pipeline.sinks.add(metrics.sink);
    const [bad, good] = ['bad', 'good'].map((run) => openRun(pipeline, testHeader(run)));
    handleReport(pipeline, bad, { ...testReport(bad.header, 1), memory: { connections: null, totals: 5 } as never });
    handleReport(pipeline, good, testReport(good.header, 1));
    const { body } = await metrics.scrape();
    expect(body).toContain('mhc_training_memory_bytes{run="good",kind="allocated"} 12345');
    expect(body).toContain('mhc_training_loss{run="bad"} 5');
    expect(bad.errors).toBeGreaterThan(0);
  });
});

describe('the format of the metrics is the one that weighs most', () => {
  const OPEN = 'application/openmetrics-text';
  test.each([
    ['text/plain;version=0.0.4;q=1,application/openmetrics-text;q=0', 'text/plain'],
    ['text/plain;version=0.0.4;q=0.5,application/openmetrics-text;version=1.0.0;q=0.4,*/*;q=0.1', 'text/plain'],
    ['application/openmetrics-text;q=0,*/*', 'text/plain'],
    ['text/*;q=0.9,application/openmetrics-text;q=0.8', 'text/plain'],
    ['*/*', 'text/plain'],
    ['image/png', 'text/plain'],
    ['text/plain', 'text/plain'],
    [OPEN, OPEN],
    ['application/openmetrics-text; version=1.0.0; charset=utf-8', OPEN],
    // Prometheus 2, 3, and 3 with native histograms.
    [
      'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1',
      OPEN,
    ],
    [
      'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2',
      OPEN,
    ],
    [
      'application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,application/openmetrics-text;version=1.0.0;escaping=underscores;q=0.5,text/plain;version=0.0.4;q=0.3',
      OPEN,
    ],
  ])('%s', async (Accept, type) => {
    const { headers } = await ask(await start(), '/metrics', { Accept });
    expect(headers['content-type']).toMatch(new RegExp(`^${type.replaceAll('/', '\\/')};`));
  });
});
