/** Real PyTorch trainings, watched by `gainwatch serve` in a process of its own: what it shows is what NumPy makes of their tensors. */
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { RunDetail, SeriesAnswer, StepAnswer, WarningAnswer } from '../../src/telemetry/api.ts';
import { type Command, startForTest } from '../support/commandLine.ts';
import { temporaryFolder } from '../support/folders.ts';
import { DUMPED, FIRST, findPytorch, measureDump, NEWEST, spawnPython, startTraining, type TrainingOptions } from '../support/pytorch.ts';
import { readmeBlocks } from '../support/readme.ts';

const python = findPytorch();
/** Trainings of seconds, however busy the machine is. */
const TIMEOUT_MS = 300_000;
/** The model works in float32, NumPy in float64. */
const PRECISION = 2e-5;

/** A monitor over a new folder, or over the one of another on the port that it had. */
async function serve(folder = temporaryFolder(), port = '0'): Promise<Command & { folder: string }> {
  mkdirSync(join(folder, 'runs'), { recursive: true });
  const monitor = await startForTest(['serve', '--port', port, '--runs', join(folder, 'runs')]);
  return { ...monitor, folder };
}

async function train(monitor: Command, run: string, args: string[], options?: TrainingOptions): Promise<string> {
  const training = startTraining(python!, ['--url', monitor.url, '--run', run, ...args], options);
  onTestFinished(() => void training.child.kill('SIGKILL'));
  return training.ended;
}

async function ask<T>(monitor: Command, run: string, path = ''): Promise<T> {
  const answer = await fetch(`${monitor.url}api/v1/runs/${run}${path}`);
  expect(answer.status).toBe(200);
  return (await answer.json()) as T;
}

const series = (monitor: Command, run: string, measure: string) =>
  ask<SeriesAnswer>(monitor, run, `/series?points=10000&measure=${measure}`);
const count = (steps: number) => Array.from({ length: steps }, (_, i) => i + 1);

/** The largest |a / b − 1| of two lists. */
function farthest(actual: readonly unknown[], expected: readonly unknown[]): number {
  expect(actual).toHaveLength(expected.length);
  return Math.max(...expected.map((value, i) => Math.abs(Number(actual[i]) / Number(value) - 1)));
}

describe.skipIf(python === null)('PyTorch', { timeout: TIMEOUT_MS }, () => {
  test.each([
    ['lucidrains', 'hc', NEWEST, 'as given'],
    ['lucidrains', 'mhc', FIRST, 'undetermined'], // near its symmetric start
    ['deepseek', 'hc', NEWEST, 'as given'],
    ['deepseek', 'mhc', NEWEST, 'as given'],
  ])(
    'the gains of %s %s (hyper-connections %s) are those that NumPy computes from what the training dumped',
    async (packageName, kind, version, orientation) => {
      const monitor = await serve();
      const dumped = join(monitor.folder, 'dump');
      const args = ['--package', packageName, '--kind', kind, '--steps', '60', '--layers', '4', '--dump', dumped];
      const said = await train(monitor, 'run', args, { version });
      expect(said).toContain(`'samples_dropped': 0, 'errors': 0, 'acknowledged': 60}, orientation ${orientation}, streams apart`);

      const expected = measureDump(python!, dumped);
      expect(expected.map(({ step }) => step)).toEqual(count(60));
      const detail = await ask<RunDetail>(monitor, 'run');
      expect(detail).toMatchObject({ outcome: 'completed', streams: 4, tokens: 32, kinds: [kind], connectionCount: 8, attempt: 1 });
      for (const key of DUMPED) {
        const answer = await series(monitor, 'run', key);
        expect(answer.steps).toEqual(count(60));
        expect(answer.series.map(({ connection }) => connection)).toEqual(detail.connections.map(({ name }) => name));
        const shown = answer.steps.map((_, i) => answer.series.map(({ max }) => max[i]));
        const differences = expected.map((step, i) => farthest(shown[i], step[key]));
        expect(Math.max(...differences), key).toBeLessThan(PRECISION);
      }
      const composite = await series(monitor, 'run', 'compositeGain');
      const composites = expected.map((step) => step.compositeGain);
      expect(farthest(composite.series[0].max, composites)).toBeLessThan(PRECISION);
      const metrics = await (await fetch(`${monitor.url}metrics`)).text();
      const gain = /^mhc_composite_gain_ratio\{.*run="run".*\} (\S+)$/m.exec(metrics)?.[1];
      expect(farthest([gain], composites.slice(59))).toBeLessThan(PRECISION);
    },
  );

  test('HC at a high rate is warned of, in the training’s own log too, and mHC not', async () => {
    const monitor = await serve();
    const hot = ['--steps', '60', '--lr', '1e-2'];
    const said = await train(monitor, 'hc', ['--kind', 'hc', ...hot]);
    const warnings = await ask<WarningAnswer[]>(monitor, 'hc', '/warnings');
    const forecasts = warnings.filter(({ rule }) => rule === 'gain-forecast');
    for (const severity of ['warning', 'critical']) {
      const { step, connection, message } = forecasts.find((warning) => warning.severity === severity)!;
      expect(said).toContain(`${severity} gain-forecast at step ${step}, ${connection}: ${message}`);
    }

    await train(monitor, 'mhc', ['--kind', 'mhc', ...hot]);
    const others = await ask<WarningAnswer[]>(monitor, 'mhc', '/warnings');
    expect(others.filter(({ rule, threshold }) => rule === 'gain-forecast' && threshold !== 2)).toEqual([]);
    const { maxCompositeGain } = await ask<RunDetail>(monitor, 'mhc');
    expect(Number(maxCompositeGain)).toBeLessThan(2);
  });

  test.each(['lucidrains', 'deepseek'])(
    '%s on two ranks, data-parallel or as stages, has the numbers of one process',
    async (packageName) => {
      const monitor = await serve();
      const args = ['--package', packageName, '--steps', '30', '--layers', '4', '--tokens', '128'];
      await train(monitor, 'alone', args);
      await train(monitor, 'data', args, { ranks: 2 });
      await train(monitor, 'stages', [...args, '--stage-parallel'], { ranks: 2 });
      const { connections } = await ask<RunDetail>(monitor, 'alone');
      for (const run of ['data', 'stages']) {
        const detail = await ask<RunDetail>(monitor, run);
        expect(detail).toMatchObject({ outcome: 'completed', attempt: 1, lastStep: 30, connectionCount: 8 });
        expect(detail.connections).toEqual(connections);
        for (const key of [...DUMPED, 'rowDeviation', 'negativity', 'loss', 'compositeGain']) {
          const one = await series(monitor, 'alone', key);
          const two = await series(monitor, run, key);
          expect(two.steps).toEqual(count(30));
          one.series.forEach(({ max }, i) => {
            max.forEach((value, s) => {
              const [a, b] = [Number(two.series[i].max[s]), Number(value)];
              // Sums of gradients in another order are other roundings, and the training carries them on.
              expect(Math.abs(a - b), `${run} ${key} step ${s + 1}: ${a}, alone ${b}`).toBeLessThan(1e-4 * Math.max(1, Math.abs(b)));
            });
          });
        }
        const latest = await ask<StepAnswer>(monitor, run, '/steps/latest');
        expect(latest.monitor).toMatchObject({ samplesDropped: 0, errors: 0 });
      }
      const metrics = await (await fetch(`${monitor.url}metrics`)).text();
      expect(metrics).not.toMatch(/straggl\S*\{.*\} [1-9]/);
    },
  );

  test('a monitor that is killed and started again in mid-run has every step, once', async () => {
    const first = await serve();
    const port = new URL(first.url).port;
    const training = startTraining(python!, ['--steps', '150', '--url', first.url, '--run', 'run']);
    onTestFinished(() => void training.child.kill('SIGKILL'));
    const lastStep = async (monitor: Command) => {
      const answer = await fetch(`${monitor.url}api/v1/runs/run/steps/latest`).catch(() => null);
      return answer?.ok ? ((await answer.json()) as StepAnswer).step : 0;
    };
    await expect.poll(() => lastStep(first)).toBeGreaterThan(20);
    first.child.kill('SIGKILL');
    await first.stop();
    // It goes on without: the sender has met the silence before there is a monitor again.
    await expect.poll(training.output).toMatch(/samples are kept and sent when it answers/);
    expect(training.child.exitCode).toBeNull();
    const second = await serve(first.folder, port);
    const said = await training.ended;
    expect(said).toContain("'samples_dropped': 0");
    expect(said).toContain("'acknowledged': 150");
    const detail = await ask<RunDetail>(second, 'run');
    expect(detail).toMatchObject({ outcome: 'completed', attempt: 1, lastStep: 150 });
    expect(detail.attempts).toHaveLength(1);
    const loss = await series(second, 'run', 'loss');
    expect(loss.bucket).toBe(1);
    expect(loss.steps).toEqual(count(150));
    expect(loss.series[0].max.every((value) => typeof value === 'number')).toBe(true);
  });
});

/** What the user of the README has: a model, an optimizer, batches, a step that gives the loss. */
const TRAINING = `
import torch
import torch.nn.functional as F
import models

torch.manual_seed(0)
model = models.LanguageModel("lucidrains", "hc", 16, 2, 16)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
loader = [torch.randint(256, (2, 17)) for _ in range(10)]

def train_step(batch):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten())
    loss.backward()
    optimizer.step()
    return loss.detach()
`;

test.skipIf(python === null)('the lines of the README watch a PyTorch training of lucidrains’ package', async () => {
  const monitor = await serve();
  const lines = readmeBlocks('python').find((code) => code.includes('run="hc-27b"'))!;
  const script = join(monitor.folder, 'train.py');
  writeFileSync(script, TRAINING + lines.replace('http://127.0.0.1:9464', monitor.url.replace(/\/$/, '')));
  const [code] = await once(spawnPython(python!, [script]), 'close');
  expect(code).toBe(0);
  expect(await ask<RunDetail>(monitor, 'hc-27b')).toMatchObject({
    outcome: 'completed',
    lastStep: 10,
    streams: 4,
    connectionCount: 4,
    kinds: ['hc'],
  });
});
