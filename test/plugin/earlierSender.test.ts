/** Senders of commit 89d26e0 (test/fixtures/sender-89d26e0), which know no key: their runs are recorded and shown as they were then. */
import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { RunDetail } from '../../src/telemetry/api.ts';
import { collect } from '../support/commandLine.ts';
import { temporaryFolder } from '../support/folders.ts';
import { findPytorch, spawnPython } from '../support/pytorch.ts';
import { json, start } from '../support/service.ts';

const fixture = (file: string) => fileURLToPath(new URL(`../fixtures/sender-89d26e0/${file}`, import.meta.url));

interface Recorded {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: string;
  status: number;
  answer: Record<string, number | string | null>;
}
const recordedIn = (file: string) => JSON.parse(readFileSync(fixture(file), 'utf8')) as Recorded[];

async function send(url: string, { method, path, headers, body }: Recorded) {
  const response = await fetch(url.slice(0, -1) + path, { method, headers, body: Buffer.from(body, 'base64') });
  return { status: response.status, answer: (await response.json()) as Recorded['answer'] };
}

const RUNS = {
  'python.json': {
    run: 'older',
    attempts: [
      [1, 5],
      [4, 6],
    ],
  },
  'tfjs.json': { run: 'older-tfjs', attempts: [[1, 6]] },
};

test.each(Object.entries(RUNS))('%s: each request is answered as it was, and kept', async (file, { run, attempts }) => {
  const service = await start({ now: Date.now });
  for (const request of recordedIn(file)) {
    const { status, answer } = await send(service.url, request);
    expect(status).toBe(200);
    const { composite_gain: gain, attempt: _, ...counts } = request.answer; // the number of the attempt: no sender reads it
    expect(answer).toMatchObject(counts);
    if (typeof gain === 'number') expect(answer['composite_gain']).toBeCloseTo(gain, 5);
  }
  const detail = await json<RunDetail>(service, `api/v1/runs/${run}`);
  expect(detail.attempts.map(({ forkStep, lastStep }) => [forkStep, lastStep])).toEqual(attempts);
  expect(detail.outcome).toBe('completed');
});

test.each(Object.entries(RUNS))(
  '%s: what is sent once more, as its answer was lost, is known and stored once',
  async (file, { run, attempts }) => {
    const service = await start({ now: Date.now });
    for (const request of recordedIn(file)) {
      await send(service.url, request);
      const { status, answer } = await send(service.url, request);
      expect(status).toBe(200);
      if (request.method === 'POST') expect(answer).toMatchObject({ accepted: 0, duplicates: request.answer['accepted'], late: 0 });
    }
    const { attempts: found } = await json<RunDetail>(service, `api/v1/runs/${run}`);
    expect(found.map(({ forkStep, lastStep }) => [forkStep, lastStep])).toEqual(attempts);
  },
);

test('after a restart of the server they go on in their run', async () => {
  const directory = temporaryFolder();
  const requests = recordedIn('python.json');
  for (const [from, to] of [
    [0, 3],
    [3, requests.length],
  ]) {
    const service = await start({ directory, now: Date.now });
    for (const request of requests.slice(from, to)) expect((await send(service.url, request)).status).toBe(200);
    if (to === requests.length) {
      const { attempts, outcome } = await json<RunDetail>(service, 'api/v1/runs/older');
      expect([outcome, attempts.map(({ lastStep }) => lastStep)]).toEqual(['completed', [5, 6]]);
    }
    await service.close();
  }
});

const python = findPytorch();

/** A training of that sender: goes back once, says at its end what was acknowledged and what was lost. */
const TRAINING = `
import sys, time, torch, gainwatch, models
model = models.LanguageModel("deepseek", "hc", 8, 1, 6)
monitor = gainwatch.watch(model, url=sys.argv[1], run="older")
for step in (1, 2, 3, 4, 3, 4, 5):
    model(torch.randint(256, (2, 6))).sum().backward()
    monitor.step(step=step)
monitor.close()
print(monitor.counters["acknowledged"], monitor.counters["samples_dropped"], monitor.counters["errors"])
`;

describe.skipIf(python === null)('PyTorch', () => {
  test('a training with that sender, twice', async () => {
    const folder = temporaryFolder();
    copyFileSync(fixture('gainwatch.py.txt'), join(folder, 'gainwatch.py'));
    const service = await start({ now: Date.now });
    for (let i = 0; i < 2; i++) {
      const child = spawnPython(python!, ['-c', `import sys; sys.path.insert(0, ${JSON.stringify(folder)})${TRAINING}`, service.url]);
      onTestFinished(() => void child.kill('SIGKILL'));
      const output = collect(child.stdout, child.stderr);
      await expect.poll(() => child.exitCode, { timeout: 120_000 }).not.toBeNull();
      expect(output()).toContain('7 0 0');
    }
    const { attempts, outcome } = await json<RunDetail>(service, 'api/v1/runs/older');
    expect([outcome, attempts.map(({ forkStep, lastStep }) => [forkStep, lastStep])]).toEqual([
      'completed',
      [
        [1, 4],
        [3, 5],
        [1, 4],
        [3, 5],
      ],
    ]);
  });
});
