/** The stream of the interface: every step as it comes, and after a break what was missed. */
import { expect, test } from 'vitest';
import { handleReport, openRun } from '../../dist/plugin/pipeline/pipeline.js';
import { headerOf, reportOf } from '../support/reports.ts';
import { testHeader, testReport } from '../support/samples.ts';
import { ask, start } from '../support/service.ts';
import { connectStream } from '../support/streamClient.ts';

const header = testHeader('hc');

/** A service with a run of which five steps were shown. */
async function startFiveSteps() {
  const service = await start();
  const run = openRun(service.pipeline, header);
  for (let step = 1; step <= 5; step++) handleReport(service.pipeline, run, testReport(header, step));
  await expect.poll(() => run.last?.step).toBe(5);
  return { service, run };
}

test('brings the steps as they come, and after a break exactly what was missed', async () => {
  const { service, run } = await startFiveSteps();
  const client = await connectStream(service);
  for (let step = 6; step <= 8; step++) handleReport(service.pipeline, run, testReport(header, step));
  expect((await client.events('run', 1))[0].data).toMatchObject({ run: 'hc', live: true });
  const steps = await client.events('step', 3);
  expect(steps.map((e) => e.id)).toEqual(['hc:1:6', 'hc:1:7', 'hc:1:8']);
  for (let step = 9; step <= 500; step++) handleReport(service.pipeline, run, testReport(header, step));
  handleReport(service.pipeline, run, testReport(header, 3)); // back: attempt 2
  await expect.poll(() => run.attempt).toBe(2);
  const again = await (await connectStream(service, '', 'gone:1:1,hc:1:8')).events('step', 493);
  expect(again.map((e) => e.id)).toEqual([...Array.from({ length: 492 }, (_, i) => `hc:1:${i + 9}`), 'hc:2:3']);
});

test('can be of some runs only, and refuses a position that is none', async () => {
  const service = await start();
  const other = openRun(service.pipeline, testHeader('other'));
  const run = openRun(service.pipeline, header);
  const client = await connectStream(service, '?run=hc');
  handleReport(service.pipeline, other, testReport(testHeader('other'), 1));
  for (const step of [1, 2]) handleReport(service.pipeline, run, testReport(header, step));
  expect((await client.events('step', 2)).map(({ data }) => [data.run, data.step])).toEqual([
    ['hc', 1],
    ['hc', 2],
  ]);
  expect((await client.events('run', 1)).map(({ data }) => data.run)).toEqual(['hc']);
  const wrong = await ask(service, '/api/v1/stream', { 'Last-Event-ID': 'nonsense' });
  expect(wrong.status).toBe(400);
  expect(wrong.body).toContain('Last-Event-ID');
});

test('a client that missed much of a large run gets all of it, and is not dropped meanwhile', async () => {
  const service = await start();
  const large = headerOf('hc', 128);
  const run = openRun(service.pipeline, large);
  // 17 MB of events, more than the backlog of a client may be.
  for (let step = 1; step <= 300; step++)
    handleReport(service.pipeline, run, reportOf(large, step, { mapping: new Float32Array(128 * 16).fill(0.2718281) }));
  await expect.poll(() => run.last?.step).toBe(300);
  const steps = await (await connectStream(service, '', 'a-run:1:1')).events('step', 299);
  expect(steps.map((e) => e.data.step)).toEqual(Array.from({ length: 299 }, (_, i) => i + 2));
});

test('who goes before the first step comes back to it', async () => {
  const { service, run } = await startFiveSteps();
  const [{ id }] = await (await connectStream(service)).events('run', 1);
  expect(id).toBe('hc:1:5');
  for (const step of [6, 7]) handleReport(service.pipeline, run, testReport(header, step));
  await expect.poll(() => run.last?.step).toBe(7);
  const steps = await (await connectStream(service, '', id)).events('step', 2);
  expect(steps.map((e) => e.data.step)).toEqual([6, 7]);
});
