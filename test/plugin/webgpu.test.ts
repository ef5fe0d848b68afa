/** watch() and the demo on WebGPU, where reads are not awaited. Skipped, loudly, where the optional packages or an adapter are missing. */
import { execFile } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import { type WatchOptions, watch } from 'gainwatch';
import type { ConnectionName } from 'gainwatch/model';
import { describe, expect, onTestFinished, test } from 'vitest';
import { loadBackend } from '../../dist/plugin/cli/backend.js';
import type { RunResult } from '../../plugin/cli/results.ts';
import { recordingPath } from '../../plugin/recorder/directory.ts';
import { closeReader, openReader, readSteps } from '../../plugin/recorder/read.ts';
import { runCommand } from '../support/demo.ts';
import { temporaryFolder } from '../support/folders.ts';
import { readmeBlocks } from '../support/readme.ts';
import { createTraining } from '../support/training.ts';

const ready = await loadBackend('webgpu').then(
  () => true,
  (error: Error) => {
    console.warn(`\nSKIPPED: WebGPU. ${error.message}\n`);
    return false;
  },
);
const STEPS = 10;
const SCRATCH = fileURLToPath(new URL('../artefacts/', import.meta.url)); // inside the package: it finds itself by name

/** How often the process handed work to the device and asked for a result. */
const calls = { submit: 0, mapAsync: 0 };
if (ready) {
  const { GPUQueue, GPUBuffer } = globalThis as unknown as Record<string, { prototype: Record<string, (...args: unknown[]) => unknown> }>;
  for (const [{ prototype }, name] of [
    [GPUQueue, 'submit'],
    [GPUBuffer, 'mapAsync'],
  ] as const) {
    const original = prototype[name];
    prototype[name] = function (this: unknown, ...args) {
      calls[name]++;
      return original.apply(this, args);
    };
  }
}

interface Trained {
  losses: number[];
  /** Calls of each step. */
  calls: (typeof calls)[];
  leaked: number;
  dropped: number;
}

async function train(connection: ConnectionName, options: WatchOptions | null): Promise<Trained> {
  const training = createTraining(connection);
  const monitor =
    options === null
      ? null
      : await watch(training.model, { run: 'test', port: 0, tokens: 8, log: () => {}, optimizer: training.optimizer, ...options });
  const result: Trained = { losses: [], calls: [], leaked: 0, dropped: 0 };
  const counts: number[] = [];
  for (let i = 0; i < STEPS; i++) {
    Object.assign(calls, { submit: 0, mapAsync: 0 });
    const loss = monitor === null ? training.step() : monitor.step(training.step);
    result.losses.push((await loss.data<'float32'>())[0]);
    result.calls.push({ ...calls });
    loss.dispose();
    if (i >= STEPS - 2 || i === 4) {
      await new Promise((resolve) => setTimeout(resolve, 300)); // the reads that are on their way come back
      counts.push(tf.memory().numTensors);
    }
  }
  await monitor?.close();
  expect(monitor?.counters.errors ?? 0).toBe(0);
  training.dispose();
  return { ...result, leaked: counts.at(-1)! - counts[0], dropped: monitor?.counters.samplesDropped ?? 0 };
}

describe.skipIf(!ready)('watch() on webgpu', () => {
  test.each(['residual', 'hc', 'mhc'] as const)(
    '%s: losses are bit-identical, nothing leaks, one submit and one read more for each step, the measures come',
    async (connection) => {
      const plain = await train(connection, null);
      for (const gradientGain of connection === 'mhc' ? [false, true] : [true]) {
        const runs = temporaryFolder();
        const watched = await train(connection, { runs, gradientGain });
        expect(watched.losses).toEqual(plain.losses);
        expect(watched.leaked).toBe(0);
        for (const [i, { submit, mapAsync }] of watched.calls.entries()) {
          expect(submit - plain.calls[i].submit, `submits of step ${i}`).toBeLessThanOrEqual(1);
          expect(mapAsync - plain.calls[i].mapAsync, `reads of step ${i}`).toBeLessThanOrEqual(1);
        }
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

test.skipIf(!ready)("the README's lines: the backend loads and computes", async () => {
  const block = readmeBlocks('js').find((code) => code.includes('tfjs-backend-webgpu'))!;
  mkdirSync(SCRATCH, { recursive: true });
  const file = join(SCRATCH, 'webgpu.mjs');
  onTestFinished(() => rmSync(file));
  writeFileSync(
    file,
    `${block}\nconsole.log(tf.getBackend(), (await tf.topk(tf.tensor1d([3, 9, 4]), 1).values.data())[0]);\nprocess.exit();`,
  );
  const { stdout } = await promisify(execFile)(process.execPath, [file]);
  expect(stdout.trim()).toBe('webgpu 9');
});

describe.skipIf(!ready)('gainwatch demo --backend webgpu', () => {
  test('trains three models and drops none of the watched steps', async () => {
    const size = ['--steps', '6', '--depth', '1', '--width', '8', '--streams', '2'];
    const { code, stdout, stderr } = await runCommand([
      ...['demo', '--backend', 'webgpu', ...size, '--port', '0', '--exit', '--json', '--runs', temporaryFolder()],
    ]);
    expect(code, stderr).toBe(0);
    const results = JSON.parse(stdout) as RunResult[];
    expect(results.map((r) => r.run)).toEqual(['hc', 'mhc', 'residual']);
    for (const result of results) expect(result).toMatchObject({ steps: 6, samplesDropped: 0, errors: 0 });
    const [, mhc, residual] = results;
    expect(Math.abs(mhc.maxCompositeForwardGain - 1)).toBeLessThan(1e-5);
    expect(residual).toMatchObject({ maxCompositeForwardGain: 1, maxCompositeBackwardGain: 1, offDiagonalMass: 0 });
  }, 120_000);
});
