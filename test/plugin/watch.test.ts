import { execFile } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import * as tf from '@tensorflow/tfjs';
import { type Monitor, type WatchOptions, watch } from 'gainwatch';
import { HyperConnection } from 'gainwatch/connections';
import { accelerate } from 'gainwatch/kernels';
import { crossEntropy } from 'gainwatch/model';
import { describe, expect, onTestFinished, test } from 'vitest';
import { recordingPath } from '../../plugin/recorder/directory.ts';
import { closeReader, openReader, readSteps } from '../../plugin/recorder/read.ts';
import { readDetail } from '../../plugin/recorder/recordedRun.ts';
import { MEASURE_INDEX } from '../../src/telemetry/catalogue.ts';
import { onEveryBackend } from '../support/backends.ts';
import { temporaryFolder } from '../support/folders.ts';
import { BATCH, CONTEXT, createTraining, lossesOf, TEXT } from '../support/training.ts';

const SCRATCH = fileURLToPath(new URL('../artefacts/', import.meta.url)); // inside the package: it finds itself by name

/** A training of 60 steps; prints its losses, and the steps and errors that /metrics tells of at the end. */
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
await new Promise((resolve) => setTimeout(resolve, 400));
const metrics = await (await fetch(monitor.url + 'metrics')).text();
const of = (name) => metrics.match(new RegExp(name + '{run="full"} (.*)'))[1];
console.log(JSON.stringify({ losses, steps: of('mhc_training_steps_total'), errors: Number(of('mhc_monitor_errors_total')) }));
await monitor.close();
`;

interface Watched {
  monitor: Monitor;
  lines: string[];
  runs: string;
}

async function start(target: Parameters<typeof watch>[0], options: WatchOptions = {}): Promise<Watched> {
  const lines: string[] = [];
  const runs = temporaryFolder();
  const monitor = await watch(target, { run: 'test', runs, port: 0, tokens: 8, log: (line) => lines.push(line), ...options });
  onTestFinished(() => monitor.close());
  return { monitor, lines, runs };
}

function recorded(runs: string, run = 'test') {
  const reader = openReader(recordingPath(runs, run));
  const steps = [...readSteps(reader)];
  const detail = readDetail(reader);
  closeReader(reader);
  return { steps, detail };
}

onEveryBackend(
  'watch()',
  (backend) => {
    /** Every step: the default of all backends but tensorflow's, which is tested in tensorflow.test.ts. */
    const everyStep: WatchOptions = backend === 'tensorflow' ? { every: 1 } : {};

    test.each(['residual', 'hc', 'hc-static', 'mhc', 'mhc-deepseek'] as const)(
      '%s: losses are bit-identical with and without, with gradients tapped too',
      async (connection) => {
        const count = 12;
        const plain = createTraining(connection);
        const expected = lossesOf(plain, count);
        plain.dispose();
        for (const gradientGain of [false, true]) {
          const training = createTraining(connection);
          const { monitor, runs } = await start(training.model, { ...everyStep, optimizer: training.optimizer, gradientGain });
          expect(lossesOf(training, count, monitor.step)).toEqual(expected);
          await monitor.close();
          expect(monitor.counters).toMatchObject({ errors: 0, samplesDropped: 0 });
          const { steps, detail } = recorded(runs);
          expect(steps.map((s) => s.report.loss)).toEqual(expected);
          expect(detail?.outcome).toBe('completed');
          const { measures, gradientNorm, learningRate, memory } = steps[count - 1].report;
          const of = (key: keyof typeof MEASURE_INDEX) => measures.slice(MEASURE_INDEX[key] * 4, (MEASURE_INDEX[key] + 1) * 4);
          expect(gradientNorm).toBeGreaterThan(0);
          expect(learningRate).toBe(1e-2);
          expect([...of('activationGain')].filter((v) => !(v > 0.1 && v < 50))).toEqual([]);
          expect([...of('gradientGain')].every((v) => (gradientGain ? v > 0.1 && v < 50 : Number.isNaN(v)))).toBe(true);
          expect([...of('logitRange')].every((v) => (connection.startsWith('mhc') ? v > 0 : Number.isNaN(v)))).toBe(true);
          if (connection.startsWith('mhc')) expect(Math.max(...of('rowDeviation'))).toBeLessThan(1e-4);
          if (connection !== 'residual') expect(memory?.totals['activations']).toBeGreaterThan(0);
          expect(memory?.totals['optimizer']).toBe(2 * (memory?.totals['parameters'] ?? 0));
          training.dispose();
        }
      },
    );

    test('a loop that never yields: every step is recorded, and no tensor is left after 200 of them', async () => {
      const training = createTraining('hc', 1);
      const { monitor, runs } = await start(training.model, { ...everyStep, optimizer: training.optimizer, gradientGain: true });
      lossesOf(training, 2, monitor.step); // slots are made
      const before = tf.memory().numTensors;
      lossesOf(training, 200, monitor.step);
      expect(tf.memory().numTensors).toBe(before);
      await monitor.close();
      const { steps } = recorded(runs);
      expect(steps.map((s) => s.report.step)).toEqual(Array.from({ length: 202 }, (_, i) => i + 1));
      training.dispose();
    });

    test('model.fit: every batch is a step, with its loss', async () => {
      const training = createTraining('mhc', 1);
      training.model.compile({ optimizer: training.optimizer, loss: crossEntropy });
      const { monitor, lines, runs } = await start(training.model, everyStep);
      expect(lines.some((line) => line.includes('no optimizer'))).toBe(false);
      const samples = 5 * BATCH;
      const rows = (shift: number) =>
        tf.tensor2d(
          Int32Array.from({ length: samples * CONTEXT }, (_, k) => TEXT[k + shift]),
          [samples, CONTEXT],
          'int32',
        );
      const x = rows(0);
      const y = tf.tidy(() => tf.oneHot(rows(1), 256).toFloat()); // fit wants the shape of the output
      const losses: number[] = [];
      const record = new tf.CustomCallback({ onBatchEnd: async (_batch, logs) => void losses.push(logs!['loss'] as number) });
      await training.model.fit(x, y, {
        epochs: 2,
        batchSize: BATCH,
        shuffle: false,
        yieldEvery: 'batch',
        callbacks: [monitor.callback(), record],
      });
      await monitor.close();
      const { steps } = recorded(runs);
      expect(steps).toHaveLength(10);
      expect(steps.map((s) => s.report.loss)).toEqual(losses);
      expect(steps[0].report.gradientNorm).toBeGreaterThan(0);
      tf.dispose([x, y]);
      training.dispose();
    });
  },
  ['webgpu'],
);

describe('what is watched', () => {
  test("connections of one's own, by a layer and by observe(); without an optimizer, said once", async () => {
    await tf.setBackend('cpu');
    const layer = tf.layers.dense({ units: 4 });
    layer.build([null, 4]);
    const h = tf.tensor2d([1, 0.5, 0, 0.5], [2, 2]);
    const { monitor, lines, runs } = await start([
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
    await tf.setBackend('cpu');
    const training = createTraining('hc', 1);
    const { monitor, runs } = await start(training.model, { every: 3 });
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
    training.dispose();
  });

  test('detaches cleanly: nothing is hooked after close, and training goes on', async () => {
    await tf.setBackend('cpu');
    const training = createTraining('hc', 1);
    const { monitor } = await start(training.model, { optimizer: training.optimizer });
    const connection = training.model.layers.find((l) => l instanceof HyperConnection)!;
    const watching = connection.observer;
    await monitor.close();
    expect(connection.observer).not.toBe(watching);
    expect(Object.hasOwn(training.optimizer, 'applyGradients')).toBe(false);
    expect(lossesOf(training, 2, monitor.step)).toHaveLength(2);
    expect(process.listeners('SIGINT')).toEqual([]);
    training.dispose();
  });

  test('a logger that throws is nothing the training dies of', async () => {
    await tf.setBackend('cpu');
    const log = () => {
      throw new Error('broken logger');
    };
    const { monitor } = await start([{ name: 'never seen', mapping: (x) => x }], { log });
    expect(monitor.step(() => 7)).toBe(7);
    expect(monitor.counters.errors).toBe(1);
  });

  test('what cannot be watched is refused by name', async () => {
    const dense = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [1] })] });
    await expect(watch(dense)).rejects.toThrow(/no connection found/);
    await expect(watch([])).rejects.toThrow(/no connection found/);
    await expect(watch([tf.layers.dense({ units: 1, name: 'plain' })])).rejects.toThrow(/plain is no connection of gainwatch/);
    const mapping = (x: tf.Tensor) => x;
    await expect(
      watch([
        { name: 'a', mapping },
        { name: 'a', mapping },
      ]),
    ).rejects.toThrow(/a is there twice/);
    await expect(watch([{ name: 'a', mapping }], { tokens: 0 })).rejects.toThrow(/tokens must be a whole number from 1 to 4096, got 0/);
    await expect(watch([{ name: 'a', mapping }], { run: 'a/b' })).rejects.toThrow(/run must be/);
    await expect(watch([{ name: 'a', mapping }], { port: 70000 })).rejects.toThrow(/port .* got 70000/);
  });
});

describe('faults leave the training as it is', () => {
  const count = 30;
  const expected = async () => {
    await tf.setBackend('cpu');
    const plain = createTraining('hc', 1);
    const losses = lossesOf(plain, count);
    plain.dispose();
    return losses;
  };

  test('a probe that throws: counted, said once, the rest goes on', async () => {
    const losses = await expected();
    const training = createTraining('hc', 1);
    const { monitor, lines, runs } = await start([
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
    training.dispose();
  });

  test('a worker that dies: samples are dropped and counted, said', async () => {
    const losses = await expected();
    const training = createTraining('hc', 1);
    const started = new Promise<Worker>((resolve) => process.once('worker', resolve));
    const { monitor, lines } = await start(training.model, { optimizer: training.optimizer });
    const got = lossesOf(training, 5, monitor.step);
    await (await started).terminate();
    got.push(...lossesOf(training, count - 5, monitor.step));
    expect(got).toEqual(losses);
    expect(monitor.counters.samplesDropped).toBe(count - 5);
    expect(monitor.counters.errors).toBeGreaterThanOrEqual(1);
    expect(lines.filter((line) => line.includes("monitor's thread"))).not.toHaveLength(0);
    await monitor.close();
    training.dispose();
  });

  test('a worker that stops answering: the queue is bounded, nothing waits, close() comes back', async () => {
    await tf.setBackend('wasm');
    onTestFinished(accelerate(tf)); // many steps, before a commit of the worker gives up waiting
    const steps = 200;
    const plain = createTraining('hc', 1);
    const losses = lossesOf(plain, steps);
    plain.dispose();
    const training = createTraining('hc', 1);
    // The loop never yields and the worker gets no turn to start on the queue: its thread is blocked by a lock on the recording.
    const { monitor, lines, runs } = await start(training.model, { optimizer: training.optimizer });
    const got = lossesOf(training, 1, monitor.step);
    await expect.poll(() => monitor.compositeGain).not.toBeNull();
    const { default: Database } = await import('libsql');
    const lock = new Database(recordingPath(runs, 'test'));
    lock.exec('BEGIN IMMEDIATE'); // commits of the worker now wait, 5 s each
    got.push(...lossesOf(training, 1, monitor.step));
    await new Promise((resolve) => setTimeout(resolve, 300));
    got.push(...lossesOf(training, steps - 2, monitor.step));
    expect(got).toEqual(losses);
    expect(monitor.counters.samplesDropped).toBeGreaterThan(0);
    expect(lines.filter((line) => line.includes('does not keep up'))).toHaveLength(1);
    lock.exec('ROLLBACK');
    lock.close();
    await monitor.close();
    const { steps: kept } = recorded(runs);
    expect(kept.length + monitor.counters.samplesDropped).toBe(steps);
    training.dispose();
  });

  test('a disk that fills up in mid-run: said once, counted, losses as ever, /metrics goes on', async () => {
    mkdirSync(SCRATCH, { recursive: true });
    const file = join(SCRATCH, 'fullDisk.mjs');
    writeFileSync(file, FULL_DISK);
    onTestFinished(() => rmSync(file));
    // A limit on the size of files is a full disk to SQLite, and needs no root.
    const train = async (limit: string) => {
      const { stdout, stderr } = await promisify(execFile)('sh', ['-c', `trap '' XFSZ; ${limit} exec "$0" "$1"`, process.execPath, file], {
        cwd: temporaryFolder(),
      });
      return { ...(JSON.parse(stdout) as { losses: number[]; steps: string; errors: number }), stderr };
    };
    const free = await train('');
    const full = await train('ulimit -f 300;'); // of 512 bytes
    expect(free.errors).toBe(0);
    expect(full.losses).toEqual(free.losses);
    expect(full.steps).toBe('60');
    expect(full.errors).toBeGreaterThan(0);
    expect(full.stderr.match(/could not be written, trying again/g)).toHaveLength(1);
    expect(full.stderr).toMatch(/\d+ steps of full could not be recorded/);
  });

  test('a recording that cannot be made: said, /metrics goes on and counts the error', async () => {
    const losses = await expected();
    const training = createTraining('hc', 1);
    const { monitor, lines } = await start(training.model, { optimizer: training.optimizer, runs: '/dev/null/none' });
    expect(lossesOf(training, count, monitor.step)).toEqual(losses);
    await expect
      .poll(async () => (await (await fetch(`${monitor.url}metrics`)).text()).includes(`mhc_training_steps_total{run="test"} ${count}`))
      .toBe(true);
    expect(await (await fetch(`${monitor.url}metrics`)).text()).toMatch(/mhc_monitor_errors_total\{run="test"\} [1-9]/);
    expect(lines.filter((line) => line.includes('run test is not recorded'))).toHaveLength(1);
    training.dispose();
  });
});

describe('ports', () => {
  test('a second run in the process shares the server; another process gets the next port and says so', async () => {
    await tf.setBackend('cpu');
    const mapping = (x: tf.Tensor) => x;
    const runs = temporaryFolder();
    const first = await start([{ name: 'a', mapping }], { run: 'one', runs });
    const second = await start([{ name: 'a', mapping }], { run: 'two', runs });
    expect(second.monitor.url).toBe(first.monitor.url);
    await expect(start([{ name: 'a', mapping }], { run: 'two', runs })).rejects.toThrow(/run two is being watched/);
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
});

test('while the training thread is busy for 2 s, /metrics answers in under 100 ms', async () => {
  await tf.setBackend('cpu');
  const training = createTraining('hc', 1);
  const { monitor } = await start(training.model, { optimizer: training.optimizer });
  lossesOf(training, 3, monitor.step);
  // Asked from a third thread: this one is the one that is busy.
  const asker = new Worker(
    `const { workerData, parentPort } = require('node:worker_threads');
     (async () => {
       await (await fetch(workerData)).text(); // the connection is there
       parentPort.postMessage('ready');
       const times = [];
       for (let i = 0; i < 10; i++) {
         const start = performance.now();
         await (await fetch(workerData)).text();
         times.push(performance.now() - start);
         await new Promise((resolve) => setTimeout(resolve, 100));
       }
       parentPort.postMessage(times);
     })();`,
    { eval: true, workerData: `${monitor.url}metrics` },
  );
  await new Promise((resolve) => asker.once('message', resolve));
  const answer = new Promise<number[]>((resolve) => asker.once('message', resolve));
  const start2 = performance.now();
  monitor.step(() => {
    while (performance.now() - start2 < 2000); // no turn of the event loop
  });
  const times = (await answer).sort((a, b) => a - b);
  await asker.terminate();
  expect(times[5]).toBeLessThan(100);
  expect(times[0]).toBeGreaterThan(0);
  training.dispose();
});
