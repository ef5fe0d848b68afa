/** What of documents is made from the code is what the code makes; and openapi.yaml describes what is answered about a run. */
import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';
import { handleReport, openRun } from '../../dist/plugin/pipeline/pipeline.js';
import { DOCUMENTS, regenerate } from '../../plugin/generate/documents.ts';
import { createMetrics } from '../../plugin/metrics/metrics.ts';
import { readDescription } from '../../plugin/wire/schema.ts';
import { MEASURES } from '../../src/telemetry/catalogue.ts';
import { headerOf, reportOf } from '../support/reports.ts';
import { json, start } from '../support/service.ts';

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

test('openapi.yaml describes a run with its limits, and its warnings with their causes', async () => {
  const ajv = new Ajv2020({ strict: false, allowUnionTypes: true });
  ajv.addSchema(readDescription(), 'api');
  const errorsOf = (name: string, value: unknown) => {
    const validate = ajv.getSchema(`api#/components/schemas/${name}`)!;
    return validate(value) ? null : validate.errors;
  };
  const service = await start();
  const header = headerOf('mhc');
  const run = openRun(service.pipeline, header);
  expect(errorsOf('RunDetail', await json(service, 'api/v1/runs/a-run'))).toBeNull();
  await handleReport(service.pipeline, run, reportOf(header, 1, { loss: Number.NaN }));
  const detail = await json(service, 'api/v1/runs/a-run');
  expect(errorsOf('RunDetail', detail)).toBeNull();
  expect(detail).toMatchObject({ limits: { gain: [2], separation: 0.05 } });
  const [warning] = await json<{ cause: unknown }[]>(service, 'api/v1/runs/a-run/warnings');
  expect(errorsOf('Warning', warning)).toBeNull();
  expect(warning.cause).toEqual({ kind: 'nonfinite-scalar', connection: null, figures: {} });
});
