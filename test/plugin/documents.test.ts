/** What of documents is made from the code is what the code makes; and openapi.yaml describes what is sent and answered. */
import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';
import { handleReport, openRun } from '../../dist/plugin/pipeline/pipeline.js';
import { DOCUMENTS, regenerate } from '../../plugin/generate/documents.ts';
import { createMetrics } from '../../plugin/metrics/metrics.ts';
import { readDescription } from '../../plugin/wire/schema.ts';
import { MEASURES } from '../../src/telemetry/catalogue.ts';
import { headerOf, reportOf } from '../support/reports.ts';
import { testHeader, testSample } from '../support/samples.ts';
import { json, start } from '../support/service.ts';
import { bodyOf, sendJson, sendState, sendSteps } from '../support/wire.ts';

const sent = testHeader('sent', 4, 4, 8);
const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

describe('generated parts', () => {
  test.each(Object.entries(DOCUMENTS))('%s is as `npm run rules` writes it', (path, parts) => {
    expect(read(path)).toBe(regenerate(read(path), parts));
  });

  test('of another document are refused by name', () => {
    expect(() => regenerate('', { metrics: () => '' })).toThrow('no part "begin generated: metrics"');
  });

  test('name every metric that is exported, and no other', async () => {
    const exported = async (rankLabel: boolean) => {
      const { body } = await createMetrics('0', null, rankLabel).scrape(undefined);
      return [...body.matchAll(/^# TYPE (\S+)/gm)].map((match) => match[1]).sort();
    };
    const listed = [...read('plugin/metrics/README.md').matchAll(/^\| `(mhc_\w+)`/gm)].map((match) => match[1]).sort();
    expect(listed).toEqual(await exported(true));
    expect(await exported(false)).toEqual(listed.filter((name) => !name.startsWith('mhc_rank_')));
    expect(listed).toEqual(expect.arrayContaining(MEASURES.map(({ metric }) => metric)));
  });
});

describe('openapi.yaml', () => {
  const ajv = new Ajv2020({ strict: false, allowUnionTypes: true });
  ajv.addSchema(readDescription(), 'api');
  const valid = (name: string, value: unknown) => {
    const validate = ajv.getSchema(`api#/components/schemas/${name}`)!;
    expect(validate(value), JSON.stringify(validate.errors)).toBe(true);
  };

  test('describes a run with its limits, and its warnings with their causes', async () => {
    const service = await start();
    const header = headerOf('mhc');
    const run = openRun(service.pipeline, header);
    valid('RunDetail', await json(service, 'api/v1/runs/a-run'));
    await handleReport(service.pipeline, run, reportOf(header, 1, { loss: Number.NaN }));
    const detail = await json(service, 'api/v1/runs/a-run');
    valid('RunDetail', detail);
    expect(detail).toMatchObject({ limits: { gain: [2], separation: 0.05 } });
    const [warning] = await json<{ cause: unknown }[]>(service, 'api/v1/runs/a-run/warnings');
    valid('Warning', warning);
    expect(warning.cause).toEqual({ kind: 'nonfinite-scalar', connection: null, figures: {} });
  });

  test('its own example is taken', async () => {
    const { paths } = readDescription() as {
      paths: Record<string, { post: { requestBody: { content: Record<string, { examples?: { one: { value: unknown } } }> } } }>;
    };
    const example = paths['/api/v1/runs/{run}/steps'].post.requestBody.content['application/json'].examples!.one.value;
    const service = await start();
    expect((await sendJson(service, 'example', example)).status).toBe(200);
  });

  test('describes every answer', async () => {
    const service = await start();
    const taken = await sendSteps(service, 'sent', [bodyOf(sent, testSample(sent, 1))]);
    valid('StepsAnswer', taken.answer);
    for (let step = 2; step < 40; step++) {
      const { answer } = await sendJson(service, 'warned', { step, order: ['a'], measures: { compositeForwardGain: [1.4 ** step] } });
      valid('StepsAnswer', answer);
      if ((answer['warnings'] as unknown[]).length > 0) break;
      expect(step).toBeLessThan(39);
    }
    valid('RunAnswer', (await sendState(service, 'sent', { state: 'closed' })).answer);
    valid('Refusal', (await sendState(service, 'sent', {})).answer);
    valid('Targets', await json(service, 'sd'));
  });
});
