/** watch(model, { url }): the samples go to a monitor elsewhere. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { type WatchOptions, watch } from 'gainwatch';
import { expect, onTestFinished, test, vi } from 'vitest';
import { readWatchOptions } from '../../plugin/watchOptions.ts';
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
  const answer = () => ({ run: 'sent', accepted: 1, duplicates: 0, late: 0, composite_gain: 3.5, warnings: holds ? [warning] : [] });
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

test.each([
  'ftp://x',
  'nowhere',
  'http://x/?a=1',
  'http://x/?token=SECRET0123456789',
  'http://x?SECRET0123456789',
  'http://x/?',
  'http://x/#run=SECRET',
  'http://SECRET@x/',
  'http://user:SECRET/a@x',
  'http://user:SECRET@x/?token=SECRET#SECRET',
])('%s is refused, without a secret that stands in it', async (url) => {
  const refused = watch(createTraining('hc').model, { url });
  await expect(refused).rejects.toThrow(/url \(GAINWATCH_URL\) must be an http or https address/);
  await expect(refused).rejects.not.toThrow(/SECRET/);
});

test.each(['SECRET 0123456789', 'SECRET0123456789\nX: y', 'SECRETä0123456789'])(
  'a token that is no header is refused without it',
  async (token) => {
    const refused = watch(createTraining('hc').model, { url: 'http://x', token });
    await expect(refused).rejects.toThrow(/token \(GAINWATCH_TOKEN\) must be at least 8/);
    await expect(refused).rejects.not.toThrow(/SECRET/);
  },
);

test('trainings of no name have names and keys of their own; given ones are kept', async () => {
  const found = Array.from({ length: 20 }, () => readWatchOptions({}));
  expect(found.every(({ run }) => /^run-\d{8}-\d{6}-[0-9a-f]{4}$/.test(run))).toBe(true);
  expect(new Set(found.map(({ run }) => run)).size).toBeGreaterThan(18);
  expect(new Set(found.map(({ key }) => key)).size).toBe(20);
  vi.stubEnv('GAINWATCH_RUN', 'named');
  vi.stubEnv('GAINWATCH_KEY', 'of-the-environment');
  onTestFinished(() => void vi.unstubAllEnvs());
  expect(readWatchOptions({})).toMatchObject({ run: 'named', key: 'of-the-environment' });
  expect(readWatchOptions({ run: 'given', key: 'of-the-checkpoint' })).toMatchObject({ run: 'given', key: 'of-the-checkpoint' });
  for (const key of ['short', 'SECRET with a space', `SECRET\n`, 'S'.repeat(129)]) {
    expect(() => readWatchOptions({ key })).toThrow(/key \(GAINWATCH_KEY\) must be 8 to 128 of/);
    expect(() => readWatchOptions({ key })).not.toThrow(/SECRET/);
  }
});

test('a run that goes on in another training: the monitor of this one has the name it went over to, and its key', async () => {
  const asked: unknown[] = [];
  const port = await listenLocally((request, response) => {
    const [, , , , run] = request.url!.split('/');
    request.resume().on('end', () => {
      response.setHeader('Content-Type', 'application/json');
      if (run === 'sent')
        response.writeHead(409).end(JSON.stringify({ error: { field: 'run', rule: 'goes on', value: run, free: 'sent-2' } }));
      else {
        asked.push([request.method, run, request.headers['gainwatch-key']]);
        response.end(JSON.stringify({ run, attempt: 1, accepted: STEPS, duplicates: 0, late: 0, composite_gain: null, warnings: [] }));
      }
    });
  });
  const { monitor } = await train({ url: `http://127.0.0.1:${port}`, key: 'of-the-checkpoint' });
  expect([monitor.run, monitor.key]).toEqual(['sent', 'of-the-checkpoint']);
  await monitor.close();
  expect(monitor.run).toBe('sent-2');
  expect(asked).toEqual([
    ['POST', 'sent-2', 'of-the-checkpoint'],
    ['PUT', 'sent-2', 'of-the-checkpoint'],
  ]);
});
