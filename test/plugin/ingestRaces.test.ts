/** What comes to the ingest in between: a rank while its step is analysed, a body that finds no place half way. */
import { expect, test, vi } from 'vitest';
import { FieldError } from '../../plugin/fieldError.ts';
import { handleParts } from '../../plugin/ingest/handleParts.ts';
import { decodeMatrices } from '../../plugin/wire/decodeMatrices.ts';
import { compileSchemas } from '../../plugin/wire/schema.ts';
import { analyse } from '../../src/telemetry/analyse.ts';
import type { StepReport } from '../../src/telemetry/report.ts';
import { startIngest } from '../support/pipelines.ts';
import { testHeader, testSample } from '../support/samples.ts';
import { bodyOf, partOf } from '../support/wire.ts';

const schemas = compileSchemas();
const header = testHeader('sent', 6, 4, 4);

test('a pipeline whose stages come while another one is analysed has values of its own', async () => {
  let now = 5_000_000;
  const { ingest, pipeline } = await startIngest({ now: () => now });
  const asked: (() => void)[] = [];
  ingest.analyst.analyse = (...given) => {
    const report = analyse(...given);
    return new Promise<StepReport>((resolve) => asked.push(() => resolve(report)));
  };
  const sample = (step: number, replica: number) => ({ ...testSample(header, step + 10 * replica), step, loss: replica });
  /** Ranks 0 and 1 are the stages of replica 0, ranks 2 and 3 those of replica 1. */
  const send = (step: number, rank: number) => {
    const [replica, stage] = [rank >> 1, rank % 2];
    const own = partOf(header, sample(step, replica), 3 * stage, 3 * stage + 3);
    const change = { rank: `${rank}`, world_size: '4', stage: `${stage}`, stages: '2', replica: `${replica}` };
    return handleParts(ingest, 'sent', [decodeMatrices(schemas, bodyOf(own.header, own.sample, change), now)]).committed;
  };
  const answer = async () => {
    for (const resolve of asked.splice(0)) resolve();
    await vi.advanceTimersByTimeAsync(0);
  };
  const seen: StepReport[] = [];
  pipeline.sinks.add({ onStep: (_run, report) => seen.push(report) });
  for (const rank of [0, 1, 2, 3]) send(1, rank);
  await answer();
  const committed = [...send(2, 2), ...send(2, 3)];
  for (let i = 0; i < 20; i++) {
    now += 250;
    await vi.advanceTimersByTimeAsync(250);
  }
  expect(asked).toHaveLength(1); // replica 0 was waited for long enough
  committed.push(...send(2, 0), ...send(2, 1));
  for (let i = 0; i < 4; i++) {
    await answer();
    now += 250;
    await vi.advanceTimersByTimeAsync(250);
  }
  expect(await Promise.all(committed)).toEqual(Array(4).fill('committed'));
  const gains = [0, 1].map((replica) => analyse(header, sample(2, replica)).compositeGain);
  expect([...seen[1].ranks!.compositeGain]).toEqual(gains);
});

test('what was taken of a body that found no place half way does not wait for ever', async () => {
  let now = 5_000_000;
  const { ingest, pipeline } = await startIngest({ now: () => now });
  const part = (step: number, rank: number) =>
    decodeMatrices(schemas, bodyOf(header, testSample(header, step), { rank: `${rank}`, world_size: '2' }), now);
  handleParts(ingest, 'sent', [part(1, 0)]);
  handleParts(ingest, 'sent', [part(1, 1)]);
  const { size } = part(1, 0);
  Object.assign(ingest.limits, { waitingBytes: 0, runWaitingBytes: 0 });
  Object.assign(ingest.limits, { waitingBytes: 2 * 64 * 2 * size }); // a share of two parts for each run
  // Rank 1 stays away.
  expect(() =>
    handleParts(
      ingest,
      'sent',
      [2, 3, 4].map((step) => part(step, 0)),
    ),
  ).toThrow('must wait');
  for (let i = 0; i < 16; i++) {
    now += 250;
    await vi.advanceTimersByTimeAsync(250);
  }
  expect(pipeline.live.get('sent')?.recording?.lastStep).toBe(3);
  expect(
    handleParts(
      ingest,
      'sent',
      [2, 3, 4].map((step) => part(step, 0)),
    ),
  ).toMatchObject({ accepted: 1, duplicates: 2 });
});

test('where the thread dies under the analysis of a step, it is asked again, and not the loop', async () => {
  let now = 5_000_000;
  const { ingest, pipeline } = await startIngest({ now: () => now });
  let asked = 0;
  ingest.analyst.analyse = async (...given) => {
    if (++asked === 1) throw new FieldError('body', 'must come again', null, 503);
    return { ...analyse(...given), compositeGain: 42 };
  };
  for (const rank of [0, 1]) {
    const own = partOf(header, testSample(header, 1), 3 * rank, 3 * rank + 3);
    const change = { rank: `${rank}`, world_size: '2', stage: `${rank}`, stages: '2' };
    handleParts(ingest, 'sent', [decodeMatrices(schemas, bodyOf(own.header, own.sample, change), now)]);
  }
  for (let i = 0; i < 4; i++) {
    now += 250;
    await vi.advanceTimersByTimeAsync(250);
  }
  expect([asked, pipeline.live.get('sent')?.last?.compositeGain]).toEqual([2, 42]);
});
