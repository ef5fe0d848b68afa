/** What watch() can be given, how it lets go of it, and the server behind it, which answers while the training computes. */
import { createServer } from 'node:http';
import { Worker } from 'node:worker_threads';
import * as tf from '@tensorflow/tfjs';
import { watch } from 'gainwatch';
import { HyperConnection } from 'gainwatch/connections';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { MEASURE_INDEX } from '../../src/telemetry/catalogue.ts';
import { temporaryFolder } from '../support/folders.ts';
import { recorded } from '../support/recorded.ts';
import { createTraining, lossesOf } from '../support/smallTraining.ts';
import { startWatching } from '../support/watched.ts';

beforeEach(async () => void (await tf.setBackend('cpu')));

test("connections of one's own, by a layer and by observe(); without an optimizer, reported once", async () => {
  const layer = tf.layers.dense({ units: 4 });
  layer.build([null, 4]);
  const h = tf.tensor2d([1, 0.5, 0, 0.5], [2, 2]);
  const { monitor, lines, runs } = await startWatching([
    { name: 'by layer', layer, mapping: (out) => tf.softmax(out.reshape([-1, 2, 2])) },
    { name: 'by hand', mapping: (given) => given },
  ]);
  expect(lines.filter((line) => line.includes('no optimizer given'))).toHaveLength(1);
  const before = tf.memory().numTensors;
  monitor.step(() => {
    tf.tidy(() => void layer.apply(tf.ones([3, 4])));
    monitor.observe('by hand', h);
    return 0.25;
  });
  expect(tf.memory().numTensors).toBe(before);
  expect(() => monitor.observe('nobody', h)).toThrow(/observe: nobody/);
  await monitor.close();
  const [{ report, header }] = recorded(runs).steps;
  expect(header.connections.map((c) => [c.name, c.kind])).toEqual([
    ['by layer', 'own'],
    ['by hand', 'own'],
  ]);
  expect(report.loss).toBe(0.25);
  expect(report.gradientNorm).toBeNull();
  expect(report.learningRate).toBeNull();
  expect(report.measures[MEASURE_INDEX.forwardGain * 2 + 1]).toBe(1.5);
  expect(report.measures[MEASURE_INDEX.backwardGain * 2 + 1]).toBe(1);
  expect(report.measures[MEASURE_INDEX.rowDeviation * 2]).toBeLessThan(1e-6);
});

test("async steps, every k-th step, and the training's own errors", async () => {
  const training = createTraining('hc', 1);
  const { monitor, runs } = await startWatching(training.model, { every: 3 });
  for (let i = 0; i < 7; i++) {
    const loss = await monitor.step(async () => {
      await new Promise((resolve) => setTimeout(resolve, 1));
      return training.step();
    });
    loss.dispose();
  }
  const broken = new Error('out of memory');
  expect(() =>
    monitor.step(() => {
      throw broken;
    }),
  ).toThrow(broken);
  await expect(monitor.step(() => Promise.reject(broken))).rejects.toBe(broken);
  await monitor.close();
  const { steps, detail } = recorded(runs);
  expect(steps.map((s) => s.report.step)).toEqual([1, 4, 7]);
  expect(detail?.outcome).toBe('failed');
});

test('detaches cleanly: nothing is hooked after close, and training goes on', async () => {
  const training = createTraining('hc', 1);
  const { monitor } = await startWatching(training.model, { optimizer: training.optimizer });
  const connection = training.model.layers.find((l) => l instanceof HyperConnection)!;
  const watching = connection.observer;
  await monitor.close();
  expect(connection.observer).not.toBe(watching);
  expect(Object.hasOwn(training.optimizer, 'applyGradients')).toBe(false);
  expect(lossesOf(training, 2, monitor.step)).toHaveLength(2);
  expect(process.listeners('SIGINT')).toEqual([]);
});

test('a logger that throws is nothing the training dies of', async () => {
  const log = () => {
    throw new Error('broken logger');
  };
  const { monitor } = await startWatching([{ name: 'never seen', mapping: (x) => x }], { log });
  expect(monitor.step(() => 7)).toBe(7);
  expect(monitor.counters.errors).toBe(1);
});

test('a baseline without connections: loss, norm and memory are there, which is said', async () => {
  const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [3] })] });
  model.compile({ optimizer: tf.train.adam(0.1), loss: 'meanSquaredError' });
  const { monitor, lines, runs } = await startWatching(model);
  expect(lines.filter((line) => line.includes('no connection found: a baseline'))).toHaveLength(1);
  await model.fit(tf.ones([8, 3]), tf.ones([8, 1]), { epochs: 2, batchSize: 4, verbose: 0, callbacks: [monitor.callback()] });
  await monitor.close();
  expect(monitor.counters).toMatchObject({ errors: 0, samplesDropped: 0 });
  const { steps } = recorded(runs);
  expect(steps.map(({ report }) => report.step)).toEqual([1, 2, 3, 4]);
  for (const { report, header } of steps) {
    expect(header.connections).toEqual([]);
    expect(report.compositeGain).toBeNull();
    expect(report.loss).toBeGreaterThan(0);
    expect(report.gradientNorm).toBeGreaterThan(0);
    expect(report.memory?.totals.get('parameters')).toBe(16);
  }
});

test('what cannot be watched is refused by name', async () => {
  await expect(watch([tf.layers.dense({ units: 1, name: 'plain' })])).rejects.toThrow(/plain is no connection of gainwatch/);
  const mapping = (x: tf.Tensor) => x;
  await expect(
    watch([
      { name: 'a', mapping },
      { name: 'a', mapping },
    ]),
  ).rejects.toThrow(/a is there twice/);
  await expect(
    watch([
      { name: 'a', mapping },
      { name: 'a#2', mapping },
    ]),
  ).rejects.toThrow(/a#2 must have another name/);
  await expect(watch([{ name: 'a', mapping }], { tokens: 0 })).rejects.toThrow(/tokens must be a whole number from 1 to 4096, got 0/);
  await expect(watch([{ name: 'a', mapping }], { firstStep: 0 })).rejects.toThrow(/firstStep must be .*, got 0/);
  await expect(watch([{ name: 'a', mapping }], { run: 'a/b' })).rejects.toThrow(/run must be/);
  await expect(watch([{ name: 'a', mapping }], { port: 70000 })).rejects.toThrow(/port .* got 70000/);
});

test('a second run in the process shares the server; another process gets the next port and says so', async () => {
  const mapping = (x: tf.Tensor) => x;
  const runs = temporaryFolder();
  const first = await startWatching([{ name: 'a', mapping }], { run: 'one', runs });
  const second = await startWatching([{ name: 'a', mapping }], { run: 'two', runs });
  expect(second.monitor.url).toBe(first.monitor.url);
  await expect(startWatching([{ name: 'a', mapping }], { run: 'two', runs })).rejects.toThrow(/run two is being watched/);
  const blocker = createServer().listen(9464, '127.0.0.1');
  await new Promise((resolve) => blocker.once('listening', resolve).once('error', resolve)); // taken by another: as good
  onTestFinished(() => void blocker.close());
  const lines: string[] = [];
  const monitor = await watch([{ name: 'a', mapping }], { runs, log: (line) => lines.push(line) });
  onTestFinished(() => monitor.close());
  expect(new URL(monitor.url).port).not.toBe('9464');
  expect(lines.filter((line) => /^port 9464 is taken, serving on \d+$/.test(line))).toHaveLength(1);
  await expect(watch([{ name: 'a', mapping }], { runs, port: 9464 })).rejects.toThrow(/port 9464 on 127.0.0.1 is taken/);
});

test('/metrics answers while the training thread is busy', async () => {
  const training = createTraining('hc', 1);
  const { monitor } = await startWatching(training.model, { optimizer: training.optimizer });
  lossesOf(training, 3, monitor.step);
  // Asked from a third thread: this one is the one that is busy.
  const answers = new Int32Array(new SharedArrayBuffer(4));
  const asker = new Worker(
    `const { url, answers } = require('node:worker_threads').workerData;
     (async () => {
       for (;;) {
         await (await fetch(url)).text();
         Atomics.add(answers, 0, 1);
       }
     })();`,
    { eval: true, workerData: { url: `${monitor.url}metrics`, answers } },
  );
  await expect.poll(() => answers[0]).toBeGreaterThan(0);
  const answered = monitor.step(() => {
    const [before, end] = [Atomics.load(answers, 0), performance.now() + 30_000];
    // No turn of the event loop. The first answer may have been on its way before.
    while (Atomics.load(answers, 0) < before + 3 && performance.now() < end);
    return Atomics.load(answers, 0) - before;
  });
  await asker.terminate();
  expect(answered).toBeGreaterThanOrEqual(3);
});
