/** watch(model, { url }): the samples go to a monitor elsewhere. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { type WatchOptions, watch } from 'gainwatch';
import { expect, onTestFinished, test, vi } from 'vitest';
import { toWarningAnswer } from '../../src/telemetry/answer.ts';
import type { RunDetail, StepAnswer } from '../../src/telemetry/api.ts';
import { MEASURES } from '../../src/telemetry/catalogue.ts';
import { temporaryFolder } from '../support/folders.ts';
import { testWarning } from '../support/samples.ts';
import { freePort, listenLocally } from '../support/servers.ts';
import { json, start } from '../support/service.ts';
import { createTraining, lossesOf } from '../support/smallTraining.ts';
import { startWatching } from '../support/watched.ts';

const STEPS = 6;

/** Trains some steps; `step` trains one more. */
async function train(options: WatchOptions) {
  await tf.setBackend('wasm');
  const training = createTraining('mhc');
  const { monitor, lines } = await startWatching(training.model, { run: 'sent', optimizer: training.optimizer, tokens: 16, ...options });
  const step = (count = 1) => lossesOf(training, count, (run) => monitor.step(run));
  return { losses: step(STEPS), monitor, lines, step };
}

/** A monitor that answers this to every request. @returns its address */
async function startMonitor(answer: () => string): Promise<string> {
  const port = await listenLocally((request, response) => {
    request.resume().on('end', () => response.setHeader('Content-Type', 'application/json').end(answer()));
  });
  return `http://127.0.0.1:${port}`;
}

test('losses, measures, memory and outcome are those that a monitor in the process has', async () => {
  const service = await start();
  const answers: StepAnswer[] = [];
  const losses: number[][] = [];
  for (const options of [{ url: service.url }, { url: '', port: 0, runs: temporaryFolder() }]) {
    const { losses: mine, monitor } = await train(options);
    losses.push(mine);
    expect(monitor.url).toBe(options.url || monitor.url);
    await expect.poll(async () => (await fetch(`${monitor.url}api/v1/runs/sent`)).status).toBe(200);
    await expect.poll(async () => (await json<RunDetail>(monitor, 'api/v1/runs/sent')).lastStep).toBe(STEPS);
    answers.push(await json<StepAnswer>(monitor, 'api/v1/runs/sent/steps/latest'));
    await monitor.close();
  }
  expect(losses[0]).toEqual(losses[1]);
  const [sent, own] = answers;
  for (const { key } of MEASURES) expect(sent.measures[key], key).toEqual(own.measures[key]);
  expect(sent.mapping).toEqual(own.mapping);
  expect(sent.compositeGain).toBe(own.compositeGain);
  expect(sent.memory?.connections.parameters).toEqual(own.memory?.connections.parameters);
  expect(await json<RunDetail>(service, 'api/v1/runs/sent')).toMatchObject({ outcome: 'completed', live: false });
});

test('a monitor that comes late gets all steps; one that never comes costs the training nothing and is said', async () => {
  const port = await freePort();
  const { monitor, lines } = await train({ url: `http://127.0.0.1:${port}` });
  await expect.poll(() => lines.join('\n')).toContain('cannot be reached');
  const service = await start({ port });
  const runs = async () => (await json<RunDetail[]>(service, 'api/v1/runs')).map((run) => [run.run, run.lastStep]);
  await expect.poll(runs).toEqual([['sent', STEPS]]);
  await monitor.close();

  await service.close();
  const alone = await train({ url: `http://127.0.0.1:${port}` });
  await alone.monitor.close();
  expect(alone.lines.join('\n')).toContain(`${STEPS} steps did not reach`);
});

test('warnings of the monitor come back with its answers, and end when it no longer names them', async () => {
  const warning = toWarningAnswer(testWarning({ message: 'it collapses' }));
  let holds = true;
  const answer = () => ({ accepted: 1, duplicates: 0, late: 0, composite_gain: 3.5, warnings: holds ? [warning] : [] });
  const url = await startMonitor(() => JSON.stringify(answer()));
  const warnings: string[] = [];
  const { monitor, step } = await train({ url, onWarning: ({ message }) => void warnings.push(message) });
  await expect.poll(() => monitor.warnings()).toMatchObject([{ id: 0, clearedTime: null }]);
  await expect.poll(() => warnings).toEqual(['it collapses']);
  expect(monitor.compositeGain).toBe(3.5);
  holds = false;
  step();
  await expect.poll(() => monitor.warnings()).toMatchObject([{ id: 0, clearedStep: expect.any(Number), clearedTime: expect.any(Number) }]);
  expect(warnings).toEqual(['it collapses']);
  await monitor.close();
});

test('an answer that is none of a monitor is said, and ends nothing', async () => {
  const { monitor, lines } = await train({ url: await startMonitor(() => '{}') });
  await monitor.close();
  expect(lines.join('\n')).toContain('cannot be read');
});

test('the token is read from the file that GAINWATCH_TOKEN_FILE names', async () => {
  const file = join(temporaryFolder(), 'token');
  writeFileSync(file, 'correct-horse\n');
  vi.stubEnv('GAINWATCH_TOKEN_FILE', file);
  onTestFinished(() => void vi.unstubAllEnvs());
  const service = await start({ token: 'correct-horse' });
  const { monitor, lines } = await train({ url: service.url });
  await monitor.close();
  expect(lines.filter((line) => /answers 401|did not reach/.test(line))).toEqual([]);
  const headers = { Authorization: 'Bearer correct-horse' };
  expect(await (await fetch(`${service.url}api/v1/runs/sent`, { headers })).json()).toMatchObject({ lastStep: STEPS });

  writeFileSync(file, 'short');
  await expect(train({ url: service.url })).rejects.toThrow(/token-file .*token \(.*GAINWATCH_TOKEN_FILE\) must hold at least 8/);
});

test.each(['ftp://x', 'nowhere', 'http://x/?a=1'])('%s is refused', async (url) => {
  await expect(watch(createTraining('hc').model, { url })).rejects.toThrow(/url \(GAINWATCH_URL\) must be an http or https address/);
});
