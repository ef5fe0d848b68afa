/**
 * The monitor's thread dies while a training goes on: it is started again, says so once, and the run goes on in its recording. The
 * thread is ended as a crash ends it, by `terminate` of the worker that the process made.
 */
import type { Worker } from 'node:worker_threads';
import * as tf from '@tensorflow/tfjs';
import type { Monitor } from 'gainwatch';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { RunDetail } from '../../src/telemetry/api.ts';
import { recorded } from '../support/recorded.ts';
import { json, start } from '../support/service.ts';
import { createTraining, lossesOf, type Training, unwatchedLosses } from '../support/smallTraining.ts';
import { startWatching } from '../support/watched.ts';

/** The threads that were made since, newest last. */
function collectWorkers(): Worker[] {
  const workers: Worker[] = [];
  const add = (worker: Worker) => workers.push(worker);
  process.on('worker', add);
  onTestFinished(() => void process.off('worker', add));
  return workers;
}

const ofThread = (lines: readonly string[]) => lines.filter((line) => line.includes("monitor's thread"));
const pause = (milliseconds: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);

async function watched(options: Parameters<typeof startWatching>[1] = {}) {
  await tf.setBackend('cpu');
  const workers = collectWorkers();
  const training = createTraining('hc', 1);
  const { monitor, lines, runs } = await startWatching(training.model, { optimizer: training.optimizer, ...options });
  const losses: number[] = [];
  const step = (count = 1) => losses.push(...lossesOf(training as Training, count, monitor.step));
  return { monitor, lines, runs, workers, losses, step };
}

/** Trains, with turns of the event loop, until a step is taken in. */
async function stepUntilTaken({ monitor, step }: { monitor: Monitor; step: () => unknown }): Promise<void> {
  await expect
    .poll(() => {
      const before = monitor.counters.samplesDropped;
      step();
      return monitor.counters.samplesDropped - before;
    })
    .toBe(0);
}

test('it is started again: same losses, attempt and address, one line, every step recorded or counted', async () => {
  const run = await watched();
  const { monitor, lines, runs, workers, losses, step } = run;
  const { url } = monitor;
  step(5);
  await expect.poll(() => monitor.compositeGain).not.toBeNull();
  await workers[0].terminate();
  step(5);
  expect(monitor.counters.samplesDropped).toBeGreaterThanOrEqual(5);
  await stepUntilTaken(run);
  step(5);
  await expect.poll(async () => (await fetch(`${url}metrics`).catch(() => null))?.status).toBe(200);
  await monitor.close();
  expect(losses).toEqual(unwatchedLosses('hc', losses.length, 1));
  expect(ofThread(lines)).toEqual([expect.stringMatching(/started again in 1 s/)]);
  expect(monitor.url).toBe(url);
  const { steps, detail } = recorded(runs);
  expect(detail?.attempts).toHaveLength(1);
  expect(detail?.outcome).toBe('completed');
  expect(steps.at(-1)?.report.step).toBe(losses.length);
  expect(steps.length + monitor.counters.samplesDropped).toBe(losses.length);
  expect(monitor.counters.errors).toBe(1);
});

test('a loop that never yields has it started again too', async () => {
  const { monitor, lines, runs, workers, losses, step } = await watched();
  step(5);
  await expect.poll(() => monitor.compositeGain).not.toBeNull();
  void workers[0].terminate(); // and from here on no turn of the event loop
  const dropped = () => monitor.counters.samplesDropped;
  const stepUntil = (isTrue: (before: number) => boolean) => {
    for (let before = dropped(); losses.length < 1000; before = dropped()) {
      step();
      pause(20);
      if (isTrue(before)) return;
    }
  };
  stepUntil(() => ofThread(lines).length > 0);
  stepUntil((before) => dropped() === before);
  const before = dropped();
  step(20);
  expect(dropped()).toBe(before);
  await monitor.close();
  expect(losses).toEqual(unwatchedLosses('hc', losses.length, 1));
  expect(ofThread(lines)).toHaveLength(1);
  const { steps, detail } = recorded(runs);
  expect(detail?.attempts).toHaveLength(1);
  expect(steps.length + dropped()).toBe(losses.length);
});

test('a run that closes meanwhile is closed in the next thread', async () => {
  const { monitor, runs, workers, step } = await watched();
  step(5);
  await expect.poll(async () => (await json<RunDetail>(monitor, 'api/v1/runs/test').catch(() => null))?.lastStep).toBe(5);
  await workers[0].terminate();
  await monitor.close({ outcome: 'interrupted' });
  const { steps, detail } = recorded(runs);
  expect(detail).toMatchObject({ outcome: 'interrupted', lastStep: 5 });
  expect(steps).toHaveLength(5);
});

test('one that dies again and again is started five times, and then no more; the training goes on', async () => {
  let passed = 0;
  const now = performance.now.bind(performance);
  vi.spyOn(performance, 'now').mockImplementation(() => now() + passed);
  onTestFinished(() => void vi.restoreAllMocks());
  const { monitor, lines, workers, losses, step } = await watched();
  const pauses: string[] = [];
  for (let death = 0; death < 6; death++) {
    step();
    await expect.poll(() => workers).toHaveLength(death + 1);
    await workers[death].terminate();
    await expect.poll(() => ofThread(lines)).toHaveLength(death + 1);
    pauses.push(/in (\d+) s/.exec(lines.at(-1)!)?.[1] ?? 'never');
    passed += 20_000;
  }
  step(3);
  expect(pauses).toEqual(['1', '2', '4', '8', '16', 'never']);
  expect(workers).toHaveLength(6);
  await monitor.close();
  expect(losses).toEqual(unwatchedLosses('hc', losses.length, 1));
});

test('memory of its own, which ends the thread and not the training', async () => {
  const { workers } = await watched();
  expect(workers[0].resourceLimits?.maxOldGenerationSizeMb).toBe(1024);
});

test('a thread that sends elsewhere is started again as well, in the same attempt', async () => {
  const service = await start();
  const run = await watched({ url: service.url });
  const { monitor, lines, workers, losses, step } = run;
  const detail = () => json<RunDetail>(service, 'api/v1/runs/test');
  step(5);
  await expect.poll(async () => (await detail()).lastStep).toBe(5);
  await workers[0].terminate();
  await expect.poll(() => ofThread(lines)).toHaveLength(1);
  await stepUntilTaken(run);
  await monitor.close();
  expect(await detail()).toMatchObject({ lastStep: losses.length, outcome: 'completed', attempts: [{}] });
  expect(losses).toEqual(unwatchedLosses('hc', losses.length, 1));
});

test('the first thread says why it cannot be had', async () => {
  const taken = new URL((await start()).url).port;
  await expect(watched({ port: Number(taken) })).rejects.toThrow('is taken');
});

test('a warning that holds is not raised again', async () => {
  await tf.setBackend('cpu');
  const workers = collectWorkers();
  const rules: string[] = [];
  const onWarning = ({ rule }: { rule: string }) => void rules.push(rule);
  const { monitor, lines } = await startWatching([{ name: 'own', mapping: (given) => given }], { onWarning });
  const mapping = tf.eye(2);
  const step = () =>
    monitor.step(() => {
      monitor.observe('own', mapping);
      return Number.NaN;
    });
  step();
  await expect.poll(() => rules).toEqual(['nonfinite']);
  await expect.poll(async () => (await json<RunDetail>(monitor, 'api/v1/runs/test').catch(() => null))?.lastStep).toBe(1);
  await workers[0].terminate();
  await expect.poll(() => ofThread(lines)).toHaveLength(1);
  await stepUntilTaken({ monitor, step });
  await expect
    .poll(async () => {
      step();
      return (await json<RunDetail>(monitor, 'api/v1/runs/test').catch(() => null))?.lastStep;
    })
    .toBeGreaterThan(2);
  expect(rules).toEqual(['nonfinite']);
  expect(monitor.warnings()).toMatchObject([{ id: 0, clearedTime: null }]);
  mapping.dispose();
});
