/**
 * Faults of gainwatch leave the training as it is: they are counted, reported once, and the losses are those of a run that nobody
 * watches.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import { HyperConnection } from 'gainwatch/connections';
import { accelerate } from 'gainwatch/kernels';
import Database from 'libsql';
import { expect, onTestFinished, test } from 'vitest';
import { recordingPath } from '../../plugin/recorder/directory.ts';
import { temporaryFolder, writeProgram } from '../support/folders.ts';
import { recorded } from '../support/recorded.ts';
import { createTraining, lossesOf, unwatchedLosses } from '../support/smallTraining.ts';
import { startWatching } from '../support/watched.ts';
import { sendJson } from '../support/wire.ts';

/** A training of 60 steps; prints its losses, and the errors that /metrics has once it has all steps, and as many errors as asked for. */
const FULL_DISK = `
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { watch } from 'gainwatch';
import { AdamW, createTransformer, crossEntropy } from 'gainwatch/model';
await tf.setBackend('wasm');
const model = createTransformer({ connection: 'hc', depth: 2, width: 8, context: 8, heads: 2, streams: 4, seed: 1 });
const optimizer = new AdamW({ learningRate: 1e-2 });
const x = tf.range(0, 16, 1, 'int32').reshape([2, 8]);
const monitor = await watch(model, { run: 'full', optimizer, port: 0 });
const losses = [];
for (let i = 0; i < 60; i++) {
  const loss = monitor.step(() => optimizer.minimize(() => crossEntropy(x, model.apply(x)), true));
  losses.push(loss.dataSync()[0]);
  await new Promise((resolve) => setTimeout(resolve, 10));
}
const metric = async (name) => {
  const metrics = await (await fetch(monitor.url + 'metrics')).text();
  return Number(metrics.match(new RegExp(name + '{run="full"} (.*)'))?.[1]);
};
const reach = async (name, least) => {
  for (const end = Date.now() + 30_000; Date.now() < end && !((await metric(name)) >= least); ) await new Promise((resolve) => setTimeout(resolve, 50));
  return metric(name);
};
const steps = await reach('mhc_training_steps_total', 60);
const errors = await reach('mhc_monitor_errors_total', Number(process.argv[2]));
console.log(JSON.stringify({ losses, steps, errors }));
await monitor.close();
`;

const count = 30;
const expected = async () => {
  await tf.setBackend('cpu');
  return unwatchedLosses('hc', count, 1);
};

test('a probe that throws: counted, reported once, the losses stay', async () => {
  const losses = await expected();
  const training = createTraining('hc', 1);
  const { monitor, lines, runs } = await startWatching([
    ...training.model.layers.filter((l) => l instanceof HyperConnection),
    {
      name: 'broken',
      layer: training.model.layers.at(-1)!,
      mapping: () => {
        throw new Error('this probe is broken');
      },
    },
  ]);
  const before = tf.memory().numTensors;
  expect(lossesOf(training, count, monitor.step)).toEqual(losses);
  expect(tf.memory().numTensors - before).toBeLessThan(200); // the optimizer's slots, nothing per step
  expect(monitor.counters.errors).toBe(count);
  expect(lines.filter((line) => line.includes('this probe is broken'))).toHaveLength(1);
  await monitor.close();
  expect(() => recorded(runs)).toThrow(/no such file/);
});

test('a worker that stops answering: the queue is bounded, nothing waits, close() comes back', async () => {
  await tf.setBackend('wasm');
  onTestFinished(accelerate(tf)); // quick steps: more than the queue holds, before the thread answers again
  const training = createTraining('hc', 1);
  const { monitor, lines, runs } = await startWatching(training.model, { optimizer: training.optimizer });
  const losses = lossesOf(training, 1, monitor.step);
  await expect.poll(() => monitor.compositeGain).not.toBeNull();
  // Runs that were sent to it and are locked: their commits wait one after the other, 200 ms each and more, and its thread with them.
  const others = Array.from({ length: 60 }, (_, i) => `other${i}`);
  const send = (run: string, step: number) => sendJson(monitor, run, { step, order: ['a'] });
  await Promise.all(others.map((run) => send(run, 1)));
  const locks = others.map((run) => new Database(recordingPath(runs, run)));
  for (const lock of locks) lock.exec('BEGIN IMMEDIATE');
  const answers = Promise.allSettled(others.map((run) => send(run, 2)));
  await new Promise((resolve) => setTimeout(resolve, 300)); // the requests are on their way
  while (monitor.counters.samplesDropped === 0 && losses.length < 10_000) losses.push(...lossesOf(training, 1, monitor.step));
  expect(monitor.counters.samplesDropped).toBe(1);
  expect(lines.filter((line) => line.includes('does not keep up'))).toHaveLength(1);
  for (const lock of locks) lock.close();
  await answers;
  await monitor.close();
  expect(recorded(runs).steps.length + monitor.counters.samplesDropped).toBe(losses.length);
  expect(losses).toEqual(unwatchedLosses('hc', losses.length, 1));
});

test('a disk that fills up in mid-run: reported once, counted, losses as ever, /metrics goes on', async () => {
  const file = writeProgram('fullDisk', FULL_DISK);
  // A limit on the size of files is a full disk to SQLite, and needs no root.
  const train = async (limit: string, errors: number) => {
    const command = ['-c', `trap '' XFSZ; ${limit} exec "$0" "$@"`, process.execPath, file, String(errors)];
    const { stdout, stderr } = await promisify(execFile)('sh', command, { cwd: temporaryFolder() });
    return { ...(JSON.parse(stdout) as { losses: number[]; steps: number; errors: number }), stderr };
  };
  const free = await train('', 0);
  const full = await train('ulimit -f 300;', 1); // of 512 bytes
  expect(free.errors).toBe(0);
  expect(full.losses).toEqual(free.losses);
  expect([free.steps, full.steps]).toEqual([60, 60]);
  expect(full.errors).toBeGreaterThan(0);
  expect(full.stderr.match(/could not be written, trying again/g)).toHaveLength(1);
}, 240_000); // two processes, however busy the machine is

test('a recording that cannot be made: reported, /metrics goes on and counts the error', async () => {
  const losses = await expected();
  const training = createTraining('hc', 1);
  const { monitor, lines } = await startWatching(training.model, { optimizer: training.optimizer, runs: '/dev/null/none' });
  expect(lossesOf(training, count, monitor.step)).toEqual(losses);
  await expect
    .poll(async () => (await (await fetch(`${monitor.url}metrics`)).text()).includes(`mhc_training_steps_total{run="test"} ${count}`))
    .toBe(true);
  expect(await (await fetch(`${monitor.url}metrics`)).text()).toMatch(/mhc_monitor_errors_total\{run="test"\} [1-9]/);
  await expect.poll(() => lines.filter((line) => line.includes('test.sqlite in /dev/null/none could not be written'))).toHaveLength(1);
});
