/** Runs whose connections become more while an attempt goes on: looped modules, layers that are dropped. Over HTTP. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { SeriesAnswer, StepAnswer } from '../../src/telemetry/api.ts';
import { fromWire } from '../../src/telemetry/wire.ts';
import { runCommand } from '../support/commandLine.ts';
import { temporaryFolder } from '../support/folders.ts';
import { bodiesOf, byName, close, detailOf, expectedOf, expectStep, namesOf, ranOf, subsets } from '../support/growing.ts';
import { recorded } from '../support/recorded.ts';
import { json, start } from '../support/service.ts';
import { connectStream } from '../support/streamClient.ts';
import { upload } from '../support/uploads.ts';
import { sendJson, sendState, sendSteps } from '../support/wire.ts';

const RUN = 'sent';
test('law: any subsets, with a restart in the middle: one attempt, each step by name as plain products have it', {
  timeout: 300_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(subsets(4, 12), fc.nat(), async (listings, where) => {
      const steps = listings.map((names, i) => ranOf(RUN, i + 1, names));
      const directory = temporaryFolder();
      let service = await start({ directory });
      const middle = 1 + (where % (steps.length - 1));
      for (const part of [steps.slice(0, middle), steps.slice(middle)]) {
        for (const ran of part) {
          expect((await sendSteps(service, RUN, bodiesOf([ran]))).status).toBe(200);
          const [detail, step] = [await detailOf(service, RUN), await json<StepAnswer>(service, `api/v1/runs/${RUN}/steps/latest`)];
          expect(detail.attempt).toBe(1);
          expectStep(step, namesOf(detail), ran);
        }
        if (part[0].sample.step > 1) break;
        await service.close();
        service = await start({ directory });
      }
      const detail = await detailOf(service, RUN);
      const names = namesOf(detail);
      expect(new Set(names)).toEqual(new Set(listings.flat()));
      // What was sent again is the same step.
      expect((await sendSteps(service, RUN, bodiesOf(steps))).answer).toMatchObject({ accepted: 0, duplicates: steps.length });
      for (const name of names) {
        const query = `measure=compositeForwardGain&connection=${encodeURIComponent(name)}`;
        const { series } = await json<SeriesAnswer>(service, `api/v1/runs/${RUN}/series?${query}`);
        series[0].max.forEach((value, i) => {
          const expected = expectedOf(steps[i]).forward.get(name);
          if (expected !== undefined) expect(fromWire(value)).toEqual(close(expected));
        });
      }
      await sendState(service, RUN, { state: 'closed', attempt: 'first' });
      await service.close();
      const read = recorded(directory, RUN).steps;
      expect(read.map(({ report, attempt }) => [attempt, report.step])).toEqual(steps.map((_, i) => [1, i + 1]));
      read.forEach(({ header, report }, i) => {
        const { forward, compositeGain } = expectedOf(steps[i]);
        expect(report.compositeGain).toEqual(close(compositeGain));
        for (const [name, gain] of byName(header, report, 'compositeForwardGain'))
          if (forward.has(name)) expect(gain).toEqual(close(forward.get(name)!));
      });
    }),
    { numRuns: 4 },
  );
});

/** Turns of two modules: 1, 2, 3, 2 … */
const looped = (turns: number): string[] =>
  Array.from({ length: turns }, (_, turn) => ['a', 'b'].map((name) => (turn === 0 ? name : `${name}#${turn + 1}`))).flat();

describe('a looped model', () => {
  const steps = [1, 2, 3, 1, 4, 2].map((turns, i) => ranOf(RUN, i + 1, looped(turns)));

  test('its stream, its export, its metrics and its upload have each step by name', async () => {
    const directory = temporaryFolder();
    const service = await start({ directory });
    const stream = await connectStream(service);
    await sendState(service, RUN, { state: 'open', attempt: 'first', streams: 2, order: ['a', 'b'] });
    for (const ran of steps) await sendSteps(service, RUN, bodiesOf([ran]));
    const events = await stream.events('step', steps.length);
    expect(events.map(({ data }) => data.nonfinite.length)).toEqual([2, 4, 6, 6, 8, 8]);
    expect((await stream.events('connections', 3)).map(({ data }) => data.run)).toEqual([RUN, RUN, RUN]);
    const names = namesOf(await detailOf(service, RUN));
    expect(names).toEqual(looped(4));
    events.forEach(({ data }, i) => void expectStep(data, names.slice(0, data.nonfinite.length), steps[i]));
    // Who comes back gets what was missed as of all connections.
    const again = await connectStream(service, '', `${RUN}:1:1`);
    for (const { data } of await again.events('step', 5)) expectStep(data, names, steps[data.step - 1]);

    const metrics = await (await fetch(`${service.url}metrics`)).text();
    const sampleOf = (series: string) =>
      Number(
        metrics
          .split('\n')
          .find((line) => line.startsWith(series))
          ?.split(' ')
          .at(-1),
      );
    const { forward, compositeGain } = expectedOf(steps[5]);
    expect(sampleOf(`mhc_composite_forward_gain_ratio{run="${RUN}",layer="b#2"}`)).toEqual(close(forward.get('b#2')!));
    expect(sampleOf(`mhc_layer_forward_gain_ratio{run="${RUN}",layer="b#4"}`)).toBe(1);
    expect(sampleOf('mhc_composite_gain_ratio')).toEqual(close(compositeGain));
    expect(metrics).toContain(`mhc_layer_info{run="${RUN}",layer="a#2",kind="hc",streams="2",convention="",bounded="",index="2"} 1`);

    await sendState(service, RUN, { state: 'closed', attempt: 'first' });
    const file = join(directory, `${RUN}.sqlite`);
    const { stdout } = await runCommand(['export', file]);
    const [head, ...rows] = stdout
      .trim()
      .split('\n')
      .map((line) => line.split(','));
    expect(rows).toHaveLength(steps.length * names.length);
    for (const row of rows) {
      const cell = (name: string) => row[head.indexOf(name)];
      const expected = expectedOf(steps[Number(cell('step')) - 1]).forward.get(cell('connection'));
      if (expected !== undefined) expect(Number(cell('compositeForwardGain'))).toEqual(close(expected));
      else expect([cell('forwardGain'), cell('effectiveRank')]).toEqual(['1', 'NaN']);
    }
    const other = await start();
    expect(await upload(other, readFileSync(file))).toEqual({ status: 201, body: { run: RUN } });
    expectStep(await json<StepAnswer>(other, `api/v1/runs/${RUN}/steps/latest`), namesOf(await detailOf(other, RUN)), steps[5]);
  });

  test('its counters go on by name, and a connection that is named twice is none of another', async () => {
    const service = await start();
    const [first, second] = [ranOf(RUN, 1, ['a', 'c']), ranOf(RUN, 2, ['a', 'b', 'c'])];
    first.sample.mappings[first.sample.mappings.length - 1] = Number.NaN; // of c
    await sendSteps(service, RUN, bodiesOf([first, second]));
    const metrics = await (await fetch(`${service.url}metrics`)).text();
    for (const [layer, count] of [
      ['a', 0],
      ['b', 0],
      ['c', 1],
    ] as const)
      expect(metrics).toContain(`mhc_nonfinite_values_total{run="${RUN}",layer="${layer}"} ${count}`);
  });

  test('beyond 8192 connections it is refused, and what it has goes on', async () => {
    const service = await start();
    const order = (from: number, count: number) => Array.from({ length: count }, (_, i) => `l${from + i}`);
    for (const [step, from] of [
      [1, 0],
      [2, 4096],
    ])
      await sendJson(service, RUN, { step, attempt: 'x', order: order(from, 4096), streams: 1 });
    const more = await sendJson(service, RUN, { step: 3, attempt: 'x', order: order(8192, 1), streams: 1 });
    expect(more).toMatchObject({ status: 429, answer: { error: { field: 'order', value: 8193 } } });
    expect((await sendJson(service, RUN, { step: 3, attempt: 'x', order: order(5000, 2), streams: 1 })).status).toBe(200);
    // Each step of a body becomes one of all of them: a small body is not to become a large one.
    const many = Array.from({ length: 17 }, (_, i) => ({ step: 4 + i, attempt: 'x', order: order(i, 1), streams: 1 }));
    expect(await sendJson(service, RUN, many)).toMatchObject({ status: 413, answer: { error: { field: 'body', value: 17 * 8192 } } });
    expect((await sendJson(service, RUN, many.slice(0, 2))).answer).toMatchObject({ accepted: 2 });
    expect(await detailOf(service, RUN)).toMatchObject({ connectionCount: 8192, lastStep: 5 });
  });
});

test('kinds and bounds are found out while it goes on, and by the lowest rank where ranks differ', async () => {
  const directory = temporaryFolder();
  const service = await start({ directory });
  const sent = (step: number, change: object, rank = 0) =>
    sendJson(service, RUN, { step, attempt: 'x', rank, world_size: 2, order: ['a', 'b'], measures: { forwardGain: [1, 1] }, ...change });
  const both = (step: number, one: object, two: object) => Promise.all([sent(step, one), sent(step, two, 1)]);
  await both(1, { kinds: ['own', 'own'] }, { kinds: ['own', 'own'] });
  const facts = async () => (await detailOf(service, RUN)).connections.map(({ kind, bounded }) => [kind, bounded]);
  expect(await facts()).toEqual([
    ['own', null],
    ['own', null],
  ]);
  expect((await detailOf(service, RUN)).limits.gain).toEqual([100, 1000]);
  await both(2, { kinds: ['own', 'own'], bounded: ['doubly', 'doubly'] }, { kinds: ['own', 'own'] });
  expect(await facts()).toEqual([
    ['own', 'doubly'],
    ['own', 'doubly'],
  ]);
  const detail = await detailOf(service, RUN);
  expect(detail).toMatchObject({ attempt: 1, limits: { gain: [2] } });
  const metrics = await (await fetch(`${service.url}metrics`)).text();
  expect(metrics).toContain('kind="own",streams="4",convention="",bounded="doubly",index="1"} 1');
  await service.close();
  const { header } = recorded(directory, RUN).steps[0];
  expect(header.connections[0]).toMatchObject({ bounded: 'doubly' });
});

test('a step that comes again in its attempt is the same step, in JSON and in safetensors', async () => {
  const service = await start();
  const [one, other] = [ranOf(RUN, 1, ['a', 'b']), ranOf(RUN, 1, ['b', 'c'])];
  const answers = [];
  for (const ran of [one, one, other]) answers.push((await sendSteps(service, RUN, bodiesOf([ran]))).answer);
  const asJson = { step: 1, attempt: 'first', order: ['a', 'x'], measures: { forwardGain: [9, 9] } };
  answers.push((await sendJson(service, RUN, { ...asJson, streams: 2 })).answer);
  expect(answers.map(({ accepted, duplicates }) => [accepted, duplicates])).toEqual([
    [1, 0],
    [0, 1],
    [0, 1],
    [0, 1],
  ]);
  for (const step of [2, 2]) answers.push((await sendJson(service, RUN, { ...asJson, step, streams: 2 })).answer);
  expect(answers.slice(4).map(({ accepted, duplicates }) => [accepted, duplicates])).toEqual([
    [1, 0],
    [0, 1],
  ]);
  const { series } = await json<SeriesAnswer>(service, `api/v1/runs/${RUN}/series?measure=compositeForwardGain&connection=a&from=1&to=1`);
  expect(fromWire(series[0].max[0])).toEqual(close(expectedOf(one).forward.get('a')!));
});

test('without the name of an attempt, a step of quite other connections is refused', async () => {
  const service = await start();
  await sendJson(service, RUN, { step: 1, order: ['a', 'b'] });
  expect((await sendJson(service, RUN, { step: 2, order: ['x'] })).answer.error).toMatchObject({ field: 'order' });
  expect((await sendJson(service, RUN, { step: 2, order: ['x', 'b'] })).status).toBe(200);
  // Sent again, with fewer than are known by now.
  expect((await sendJson(service, RUN, { step: 1, order: ['a', 'b'] })).answer).toMatchObject({ duplicates: 1 });
  expect(await detailOf(service, RUN)).toMatchObject({ attempt: 1, connectionCount: 3 });
});
