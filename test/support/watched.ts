/** watch() as the tests call it. */
import * as tf from '@tensorflow/tfjs';
import { type WatchOptions, watch } from 'gainwatch';
import { expect, onTestFinished } from 'vitest';
import { loadBackend } from '../../dist/plugin/cli/backend.js';
import { temporaryFolder } from './folders.ts';
import { recorded } from './recorded.ts';
import { lossesOf, type Training } from './smallTraining.ts';

/**
 * A run `test` of 8 tokens, on a free port, in a folder of its own; closed at the end of the test.
 * @returns what the user would read as `lines`, the folder of the recordings as `runs`
 */
export async function startWatching(target: Parameters<typeof watch>[0], options: WatchOptions = {}) {
  const lines: string[] = [];
  const runs = options.runs ?? temporaryFolder();
  const monitor = await watch(target, { run: 'test', runs, port: 0, tokens: 8, log: (line) => lines.push(line), ...options });
  onTestFinished(() => monitor.close());
  return { monitor, lines, runs };
}

/** Trains to the end, watched, without an error. `leaked`: tensors that the steps after the second left behind. */
export async function trainWatched(training: Training, steps: number, options: WatchOptions = {}) {
  const { monitor, runs } = await startWatching(training.model, { optimizer: training.optimizer, ...options });
  const losses = lossesOf(training, 2, monitor.step); // the optimizer's slots are made
  const before = tf.memory().numTensors;
  losses.push(...lossesOf(training, steps - 2, monitor.step));
  const leaked = tf.memory().numTensors - before;
  await monitor.close();
  expect(monitor.counters).toMatchObject({ errors: 0, samplesDropped: 0 });
  return { losses, leaked, ...recorded(runs) };
}

/** Loads WebGPU; says why where it cannot be. */
export const loadWebgpu = (storage?: Parameters<typeof loadBackend>[1]): Promise<boolean> =>
  loadBackend('webgpu', storage).then(
    () => true,
    (error: Error) => {
      console.warn(`\nSKIPPED: WebGPU. ${error.message}\n`);
      return false;
    },
  );
