/** Runs of several ranks whose connections become more while an attempt goes on: replicas and stages that ran different ones. Over HTTP. */
import { describe, expect, test } from 'vitest';
import type { StepAnswer } from '../../src/telemetry/api.ts';
import { fromWire } from '../../src/telemetry/wire.ts';
import { temporaryFolder } from '../support/folders.ts';
import { bodiesOf, close, detailOf, expectedOf, expectStep, namesOf, type Ran, ranOf } from '../support/growing.ts';
import { json, start } from '../support/service.ts';
import { sendSteps } from '../support/wire.ts';

const RUN = 'sent';

describe('several ranks', () => {
  test('replicas that ran different connections: the union, the mean of each with the identity of who lacks it', async () => {
    const service = await start();
    const [one, two] = [ranOf(RUN, 1, ['a', 'b', 'c']), ranOf(RUN, 1, ['a', 'c', 'd'])];
    await Promise.all([one, two].map((ran, rank) => sendSteps(service, RUN, bodiesOf([ran], { rank: String(rank), world_size: '2' }))));
    const names = namesOf(await detailOf(service, RUN));
    expect(names).toEqual(['a', 'b', 'c', 'd']);
    const step = await json<StepAnswer>(service, `api/v1/runs/${RUN}/steps/latest`);
    const forward = (ran: Ran, name: string, before: string) => expectedOf(ran).forward.get(name) ?? expectedOf(ran).forward.get(before)!;
    const mean = (name: string, before: string) => (forward(one, name, before) + forward(two, name, before)) / 2;
    const means = [mean('a', ''), mean('b', 'a'), mean('c', ''), mean('d', 'c')];
    expect(step.measures['compositeForwardGain'].map(fromWire)).toEqual(means.map(close));
  });

  test('stages of a pipeline, each with layers that are dropped: the products go through all that ran', async () => {
    const service = await start();
    // Both stages number their layers anew.
    const listings = [
      [
        ['x', 'y'],
        ['x', 'y'],
      ],
      [['y'], ['x']],
      [
        ['x', 'y', 'z'],
        ['y', 'z'],
      ],
      [[], ['y']],
      [['x', 'z'], []],
    ];
    const whole = listings.map(([first, second], i) =>
      ranOf(RUN, i + 1, [...first.map((name) => `stage0.${name}`), ...second.map((name) => `stage1.${name}`)]),
    );
    for (const [i, parts] of listings.entries()) {
      const { sample } = whole[i];
      const size = 3 * 4;
      const sent = parts.map((names, stage) => {
        const from = stage === 0 ? 0 : parts[0].length;
        const own = ranOf(RUN, i + 1, names);
        const mappings = sample.mappings.subarray(from * size, (from + names.length) * size);
        return sendSteps(
          service,
          RUN,
          bodiesOf([{ header: own.header, sample: { ...own.sample, mappings } }], {
            rank: String(stage),
            world_size: '2',
            stage: String(stage),
            stages: '2',
          }),
        );
      });
      for (const { status } of await Promise.all(sent)) expect(status).toBe(200);
      const names = namesOf(await detailOf(service, RUN));
      expectStep(await json<StepAnswer>(service, `api/v1/runs/${RUN}/steps/latest`), names, whole[i]);
    }
    expect(namesOf(await detailOf(service, RUN))).toEqual(
      ['x', 'y', 'z'].flatMap((name) => [`stage0.${name}`]).concat(['x', 'y', 'z'].map((name) => `stage1.${name}`)),
    );
  });

  test('a stage that is away is not known, and is not the identity', async () => {
    const service = await start();
    const place = (rank: number) => ({ rank: String(rank), world_size: '2', stage: String(rank), stages: '2' });
    const send = (step: number, rank: number) => sendSteps(service, RUN, bodiesOf([ranOf(RUN, step, [`l${rank}`])], place(rank)));
    await Promise.all([send(1, 0), send(1, 1)]);
    await send(2, 0);
    const step = await json<StepAnswer>(service, `api/v1/runs/${RUN}/steps/latest`);
    expect(step).toMatchObject({ step: 2, compositeGain: null });
    expect(step.measures['forwardGain'].map(fromWire)).toEqual([expect.closeTo(1.1, 0), Number.NaN]);
    expect(step.measures['compositeForwardGain'].map(fromWire)).toEqual([Number.NaN, Number.NaN]);
  });
});

test('after a restart the stages are called as before, whatever ran', async () => {
  const directory = temporaryFolder();
  const place = (rank: number) => ({ rank: String(rank), world_size: '2', stage: String(rank), stages: '2' });
  const send = (service: { url: string }, step: number, rank: number, names: string[]) =>
    sendSteps(service, RUN, bodiesOf([ranOf(RUN, step, names)], place(rank)));
  let service = await start({ directory });
  await Promise.all([send(service, 1, 0, ['x', 'y']), send(service, 1, 1, ['x'])]);
  await service.close();
  service = await start({ directory });
  await Promise.all([send(service, 2, 0, ['y']), send(service, 2, 1, ['x', 'z'])]);
  const detail = await detailOf(service, RUN);
  expect(detail).toMatchObject({ attempt: 1, lastStep: 2 });
  expect(namesOf(detail)).toEqual(['stage0.x', 'stage0.y', 'stage1.x', 'stage1.z']);
});
