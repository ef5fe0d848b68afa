/** watch() on connections whose number of runs changes from step to step: in the process and sent, what is recorded of it. */
import type { Worker } from 'node:worker_threads';
import * as tf from '@tensorflow/tfjs';
import type { watch } from 'gainwatch';
import { HyperConnection } from 'gainwatch/connections';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { MEASURE_INDEX, type MeasureKey } from '../../src/telemetry/catalogue.ts';
import { temporaryFolder } from '../support/folders.ts';
import { recorded } from '../support/recorded.ts';
import { start } from '../support/service.ts';
import { startWatching } from '../support/watched.ts';

const [N, CHANNELS] = [4, 5];

beforeEach(async () => void (await tf.setBackend('cpu')));

/** Two connections with H_res = 2 I: each run doubles G. */
function doubling(): HyperConnection[] {
  return ['a', 'b'].map((name, index) => {
    const layer = new HyperConnection({ name, branch: tf.layers.dense({ units: CHANNELS }), index, dynamic: false });
    layer.apply(tf.input({ shape: [N, CHANNELS] }));
    const h = tf.concat([tf.fill([1, N], 1 / N), tf.fill([1, N], 0.1), tf.mul(tf.eye(N), 2)]);
    tf.tidy(() => void layer.connectionWeights[0].write(h));
    return layer;
  });
}

/** Trains a step in which both run so many times; 0: the first one once. */
function trainOn(layers: readonly HyperConnection[], monitor: Awaited<ReturnType<typeof watch>>) {
  const optimizer = tf.train.sgd(0);
  const x = tf.randomNormal([3, N, CHANNELS], 0, 1, 'float32', 1);
  return (times: number) => {
    const order = times === 0 ? layers.slice(0, 1) : Array.from({ length: times }, () => layers).flat();
    const loss = () => tf.mean(tf.square(order.reduce<tf.Tensor>((s, layer) => layer.apply(s) as tf.Tensor, x))) as tf.Scalar;
    const weights = order.flatMap((layer) => layer.trainableWeights.map((w) => w.read() as tf.Variable));
    tf.dispose(monitor.step(() => optimizer.minimize(loss, true, [...new Set(weights)])!));
  };
}

const names = (times: number) =>
  Array.from({ length: times }, (_, i) => ['a', 'b'].map((name) => (i === 0 ? name : `${name}#${i + 1}`))).flat();

test.each(['in the process', 'sent'])('the number of runs changes: the listing grows in one attempt, %s', async (how) => {
  const runs = temporaryFolder();
  const service = how === 'sent' ? await start({ directory: runs }) : null;
  const layers = doubling();
  const { monitor, lines } = await startWatching(layers, service === null ? { runs } : { url: service.url });
  const step = trainOn(layers, monitor);
  const times = [1, 3, 2, 0, 8, 3];
  for (const count of times) step(count);
  await monitor.close();
  expect(monitor.counters).toMatchObject({ errors: 0, samplesDropped: 0 });
  expect(lines.filter((line) => /refused|lost/.test(line))).toEqual([]);
  const { steps, detail } = recorded(runs);
  expect(detail?.attempts).toHaveLength(1);
  expect(detail?.connections.map(({ name }) => name)).toEqual(names(8));
  expect(steps.map(({ report }) => report.compositeGain)).toEqual(times.map((count) => (count === 0 ? 2 : 4 ** count)));
  for (const [i, { report, header }] of steps.entries()) {
    expect(header.connections.map(({ name }) => name)).toEqual(names(8));
    const row = (key: MeasureKey) => [...report.measures.subarray(MEASURE_INDEX[key] * 16, (MEASURE_INDEX[key] + 1) * 16)];
    const ran = times[i] === 0 ? 1 : 2 * times[i];
    expect(row('forwardGain')).toEqual(Array.from({ length: 16 }, (_, l) => (l < ran ? 2 : 1)));
    expect(row('compositeForwardGain')).toEqual(Array.from({ length: 16 }, (_, l) => 2 ** Math.min(l + 1, ran)));
    expect([...report.nonfinite].every((count) => count === 0)).toBe(true);
  }
});

test("the monitor's thread dies: the grown listing goes on in the same attempt", async () => {
  const workers: Worker[] = [];
  const add = (worker: Worker) => workers.push(worker);
  process.on('worker', add);
  onTestFinished(() => void process.off('worker', add));
  const layers = doubling();
  const runs = temporaryFolder();
  const { monitor } = await startWatching(layers, { runs });
  const step = trainOn(layers, monitor);
  for (const count of [1, 2]) step(count);
  await expect.poll(() => monitor.compositeGain).toBe(16);
  await workers[0].terminate();
  await expect
    .poll(() => {
      const before = monitor.counters.samplesDropped;
      step(1);
      return monitor.counters.samplesDropped - before;
    })
    .toBe(0);
  step(3);
  await monitor.close();
  const { steps, detail } = recorded(runs);
  expect(detail?.attempts).toHaveLength(1);
  expect(detail?.connections.map(({ name }) => name)).toEqual(names(3));
  expect(steps.at(-1)?.report.compositeGain).toBe(64);
});
