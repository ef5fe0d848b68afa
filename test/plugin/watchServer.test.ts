/** The server behind watch(): its port, and that it answers while the training computes. */
import { createServer } from 'node:http';
import { Worker } from 'node:worker_threads';
import * as tf from '@tensorflow/tfjs';
import { watch } from 'gainwatch';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { temporaryFolder } from '../support/folders.ts';
import { createTraining, lossesOf } from '../support/smallTraining.ts';
import { startWatching } from '../support/watched.ts';

beforeEach(async () => void (await tf.setBackend('cpu')));

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
