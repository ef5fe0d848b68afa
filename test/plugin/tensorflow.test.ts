/**
 * watch() and the demo on libtensorflow, whose reads block, so that one step in ten is watched. Skipped, loudly, where
 * neither @tensorflow/tfjs-node-gpu nor @tensorflow/tfjs-node loads; .ci/tensorflow.mjs makes the latter.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import { createBatches } from 'gainwatch/model';
import { describe, expect, test } from 'vitest';
import { mendUtil } from '../../dist/plugin/cli/backend.js';
import { createTrainee } from '../../dist/plugin/cli/trainee.js';
import { has, TIMEOUT_MS } from '../support/backends.ts';
import { expectGoodDemo, runDemo, small } from '../support/commandLine.ts';
import { temporaryFolder } from '../support/folders.ts';
import { readmeBlocks } from '../support/readme.ts';
import { recorded } from '../support/recorded.ts';
import { BATCH, CONTEXT, createTraining, TEXT, unwatchedLosses } from '../support/smallTraining.ts';
import { trainWatched } from '../support/watched.ts';

const BACKEND_MODULE = fileURLToPath(new URL('../../dist/plugin/cli/backend.js', import.meta.url));

/** Largest difference, relative where values are above 1; NaN equals NaN. */
function difference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  const one = (a: number, b: number) => (Number.isNaN(a) && Number.isNaN(b) ? 0 : Math.abs(a - b) / Math.max(1, Math.abs(b)));
  return Math.max(...Array.from(actual, (value, k) => one(value, expected[k])));
}

describe.skipIf(!has('tensorflow'))('watch() on tensorflow', { timeout: TIMEOUT_MS }, () => {
  test.each(['residual', 'hc', 'mhc'] as const)(
    '%s: losses are bit-identical, nothing leaks, the measures come at every tenth step',
    async (connection) => {
      const steps = 23;
      await tf.setBackend('tensorflow');
      const expected = unwatchedLosses(connection, steps);
      for (const gradientGain of [false, true]) {
        const { losses, leaked, steps: kept, detail } = await trainWatched(createTraining(connection), steps, { gradientGain });
        expect(losses).toEqual(expected);
        expect(leaked).toBe(0);
        expect(detail?.outcome).toBe('completed');
        expect(kept.map(({ report }) => report.step)).toEqual([1, 11, 21]);
        for (const { report } of kept) {
          expect(report.loss).toBe(expected[report.step - 1]);
          expect(report.gradientNorm).toBeGreaterThan(0);
          expect([...report.nonfinite]).toEqual([0, 0, 0, 0]);
          expect(report.memory?.totals.get('optimizer')).toBe(2 * (report.memory?.totals.get('parameters') ?? 0));
          if (connection !== 'residual') expect(report.memory?.totals.get('activations')).toBeGreaterThan(0);
        }
      }
    },
  );

  test('`every` counts the steps from one that is watched to the next', async () => {
    await tf.setBackend('tensorflow');
    const { steps } = await trainWatched(createTraining('hc'), 9, { every: 4 });
    expect(steps.map(({ report }) => report.step)).toEqual([1, 5, 9]);
  });

  test.each(['hc', 'mhc'] as const)('%s: the measures are those that cpu gives', async (connection) => {
    const reportsOn = async (backend: string) => {
      await tf.setBackend(backend);
      const { steps } = await trainWatched(createTraining(connection), 4, { every: 1, gradientGain: true });
      return steps.map(({ report }) => report);
    };
    const [expected, got] = [await reportsOn('cpu'), await reportsOn('tensorflow')];
    expect(got).toHaveLength(4);
    got.forEach((report, i) => {
      // The same float32 sums in another order. Adam's first updates are near lr times the sign of the gradient: where that is
      // near 0, a rounding becomes an update. The gradients' gain shows it most: 3e-4 was seen.
      expect(difference(report.measures, expected[i].measures)).toBeLessThan(1e-3);
      expect(difference(report.mapping, expected[i].mapping)).toBeLessThan(1e-4);
      expect(difference([report.gradientNorm!], [expected[i].gradientNorm!])).toBeLessThan(1e-4);
      expect(report.memory?.totals.get('activations')).toBeGreaterThan(0);
    });
  });
});

describe.skipIf(!has('tensorflow'))('gainwatch demo --backend tensorflow', { timeout: TIMEOUT_MS }, () => {
  test('trains three models and watches every tenth step of each', async () => {
    const { results, runs } = await runDemo([...small(15), '--backend', 'tensorflow']);
    expectGoodDemo(results, 15);
    for (const { run } of results) {
      const { steps, detail } = recorded(runs, run);
      expect(steps.map(({ report }) => report.step)).toEqual([1, 11]);
      expect(detail?.outcome).toBe('completed');
    }
  });

  test('what it waits for is the step that was watched last', async () => {
    await tf.setBackend('tensorflow');
    const model = { connection: 'hc', depth: 1, width: 8, context: CONTEXT, heads: 2, streams: 2, seed: 1 } as const;
    const recipe = { model, batch: BATCH, learningRate: 1e-2, warmup: 5 };
    const trainee = await createTrainee('hc', recipe, { runs: temporaryFolder(), port: 0, log: () => {} });
    const next = createBatches(TEXT, BATCH, CONTEXT, 1);
    for (let step = 1; step <= 15; step++) await trainee.step(next());
    expect(trainee.lastWatched()).toBe(11);
    await trainee.monitor.close();
  });
});

describe('Node 23 and newer, whose util lacks what tfjs-node calls', () => {
  test('what is missing is put in, what is there stays', () => {
    const there = () => false;
    const target: { isNullOrUndefined?: (value: unknown) => boolean; isArray: (value: unknown) => boolean } = { isArray: there };
    mendUtil(target);
    expect([null, undefined, 0, '', false].map((value) => target.isNullOrUndefined?.(value))).toEqual([true, true, false, false, false]);
    expect(target.isArray).toBe(there);
  });

  const byDemo = `
    const { loadBackend } = await import(${JSON.stringify(BACKEND_MODULE)});
    await loadBackend('tensorflow');
    const tf = await import('@tensorflow/tfjs');`;
  const byReadme = readmeBlocks('js')
    .find((code) => code.includes('tfjs-node-gpu'))!
    .replace('tfjs-node-gpu', 'tfjs-node');

  test.skipIf(!has('tensorflow')).each([
    ['the demo', byDemo],
    ["the README's lines", byReadme],
  ])('%s: the backend loads and computes', async (_name, load) => {
    const lacking = "const bare = process.getBuiltinModule('node:util'); delete bare.isNullOrUndefined;";
    const values = 'tf.topk(tf.tensor1d([3, 9, 4]), 1).values.dataSync()[0], tf.concat([[1], [2]]).dataSync().join()';
    const program = `${lacking}\n${load}\nconsole.log(tf.getBackend(), ${values});`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program]);
    expect(stdout.trim()).toBe('tensorflow 9 1,2');
  });
});
