/** watch() and the demo on WebGPU, where reads are not awaited. Skipped, loudly, where the optional packages or an adapter are missing. */
import { execFile } from 'node:child_process';
import { setImmediate as turn } from 'node:timers/promises';
import { promisify } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import type { WatchOptions } from 'gainwatch';
import type { ConnectionName } from 'gainwatch/model';
import { expect, test, vi } from 'vitest';
import { expectGoodDemo, runDemo, small } from '../support/commandLine.ts';
import { writeProgram } from '../support/folders.ts';
import { readmeBlocks } from '../support/readme.ts';
import { recorded } from '../support/recorded.ts';
import { createTraining } from '../support/smallTraining.ts';
import { loadWebgpu, startWatching } from '../support/watched.ts';

const ready = await loadWebgpu();
const STEPS = 10;

type Prototypes = Record<string, { prototype: Record<string, (...args: unknown[]) => unknown> }>;
const { GPUQueue, GPUBuffer } = globalThis as unknown as Prototypes;
/** Of the process: work handed to the device, and results asked for. */
const calls = ready ? { submit: vi.spyOn(GPUQueue.prototype, 'submit'), mapAsync: vi.spyOn(GPUBuffer.prototype, 'mapAsync') } : null;

/** What was recorded is `steps`: none where nobody watches. */
async function train(connection: ConnectionName, options: WatchOptions | null) {
  const { submit, mapAsync } = calls!;
  const training = createTraining(connection);
  const watched = options && (await startWatching(training.model, { optimizer: training.optimizer, ...options }));
  const monitor = watched?.monitor;
  const losses: number[] = [];
  const callsOfSteps: { submit: number; mapAsync: number }[] = [];
  const counts: number[] = [];
  for (let i = 0; i < STEPS; i++) {
    const [submits, reads] = [submit.mock.calls.length, mapAsync.mock.calls.length];
    const loss = monitor?.step(training.step) ?? training.step();
    losses.push((await loss.data<'float32'>())[0]);
    callsOfSteps.push({ submit: submit.mock.calls.length - submits, mapAsync: mapAsync.mock.calls.length - reads });
    loss.dispose();
    if (i >= STEPS - 2 || i === 4) {
      await Promise.all(mapAsync.mock.results.map(({ value }) => value));
      await turn(); // what waits for them has run
      counts.push(tf.memory().numTensors);
    }
  }
  await monitor?.close();
  const result = { losses, calls: callsOfSteps, leaked: counts.at(-1)! - counts[0] };
  if (watched === null) return { ...result, steps: [] };
  const { errors, samplesDropped } = watched.monitor.counters;
  const { steps } = recorded(watched.runs);
  expect([errors, steps.length]).toEqual([0, STEPS - samplesDropped]);
  return { ...result, steps };
}

test.skipIf(!ready).each(['residual', 'hc', 'mhc'] as const)(
  'watch() on webgpu, %s: losses are bit-identical, nothing leaks, one submit and one read more for each step, the measures come',
  async (connection) => {
    const plain = await train(connection, null);
    for (const gradientGain of connection === 'mhc' ? [false, true] : [true]) {
      const watched = await train(connection, { gradientGain });
      expect(watched.losses).toEqual(plain.losses);
      expect(watched.leaked).toBe(0);
      for (const [i, { submit, mapAsync }] of watched.calls.entries()) {
        expect(submit - plain.calls[i].submit, `submits of step ${i}`).toBeLessThanOrEqual(1);
        expect(mapAsync - plain.calls[i].mapAsync, `reads of step ${i}`).toBeLessThanOrEqual(1);
      }
      for (const { report } of watched.steps) {
        expect(report.loss).toBe(watched.losses[report.step - 1]);
        expect(report.gradientNorm).toBeGreaterThan(0);
        expect([...report.nonfinite]).toEqual([0, 0, 0, 0]);
      }
    }
  },
  240_000,
);

test.skipIf(!ready)("the README's lines: the backend loads and computes", async () => {
  const block = readmeBlocks('js').find((code) => code.includes('tfjs-backend-webgpu'))!;
  const result = 'console.log(tf.getBackend(), (await tf.topk(tf.tensor1d([3, 9, 4]), 1).values.data())[0]);\nprocess.exit();';
  const { stdout } = await promisify(execFile)(process.execPath, [writeProgram('webgpu', `${block}\n${result}`)]);
  expect(stdout.trim()).toBe('webgpu 9');
});

test.skipIf(!ready)(
  'gainwatch demo --backend webgpu trains three models and drops none of the watched steps',
  async () => {
    const { results } = await runDemo([...small(6), '--backend', 'webgpu']);
    expectGoodDemo(results, 6);
  },
  120_000,
);
