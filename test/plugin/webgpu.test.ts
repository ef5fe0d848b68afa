/** watch() on WebGPU, where reads are not awaited. Skipped, loudly, where the optional packages or an adapter are missing. */
import * as tf from '@tensorflow/tfjs';
import { type WatchOptions, watch } from 'gainwatch';
import type { ConnectionName } from 'gainwatch/model';
import { describe, expect, test } from 'vitest';
import { loadBackend } from '../../dist/plugin/cli/backend.js';
import { recordingPath } from '../../plugin/recorder/directory.ts';
import { closeReader, openReader, readSteps } from '../../plugin/recorder/read.ts';
import { temporaryFolder } from '../support/folders.ts';
import { createTraining } from '../support/training.ts';

const ready = await loadBackend('webgpu').then(
  () => true,
  (error: Error) => {
    console.warn(`\nSKIPPED: WebGPU. ${error.message}\n`);
    return false;
  },
);
const STEPS = 15;

async function train(
  connection: ConnectionName,
  options: WatchOptions | null,
): Promise<{ losses: number[]; leaked: number; dropped: number }> {
  const training = createTraining(connection);
  const monitor =
    options === null
      ? null
      : await watch(training.model, { run: 'test', port: 0, tokens: 8, log: () => {}, optimizer: training.optimizer, ...options });
  const losses: number[] = [];
  const counts: number[] = [];
  for (let i = 0; i < STEPS; i++) {
    const loss = monitor === null ? training.step() : monitor.step(training.step);
    losses.push((await loss.data<'float32'>())[0]);
    loss.dispose();
    if (i >= STEPS - 2 || i === 5) {
      await new Promise((resolve) => setTimeout(resolve, 300)); // the reads that are on their way come back
      counts.push(tf.memory().numTensors);
    }
  }
  await monitor?.close();
  expect(monitor?.counters.errors ?? 0).toBe(0);
  training.dispose();
  return { losses, leaked: counts.at(-1)! - counts[0], dropped: monitor?.counters.samplesDropped ?? 0 };
}

describe.skipIf(!ready)('watch() on webgpu', () => {
  test.each(['residual', 'hc', 'mhc'] as const)(
    '%s: losses are bit-identical, nothing leaks, the measures come',
    async (connection) => {
      const plain = await train(connection, null);
      for (const gradientGain of [false, true]) {
        const runs = temporaryFolder();
        const watched = await train(connection, { runs, gradientGain });
        expect(watched.losses).toEqual(plain.losses);
        expect(watched.leaked).toBe(0);
        const reader = openReader(recordingPath(runs, 'test'));
        const steps = [...readSteps(reader)];
        closeReader(reader);
        expect(steps).toHaveLength(STEPS - watched.dropped);
        for (const { report } of steps) {
          expect(report.loss).toBe(watched.losses[report.step - 1]);
          expect(report.gradientNorm).toBeGreaterThan(0);
          expect([...report.nonfinite]).toEqual([0, 0, 0, 0]);
        }
      }
    },
    240_000,
  );
});
