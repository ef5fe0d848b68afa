/** watch() on every backend: the training is the same to the bit, and every step is recorded. */
import * as tf from '@tensorflow/tfjs';
import type { WatchOptions } from 'gainwatch';
import { crossEntropy } from 'gainwatch/model';
import { expect, test } from 'vitest';
import { MEASURE_INDEX } from '../../src/telemetry/catalogue.ts';
import { onEveryBackend } from '../support/backends.ts';
import { recorded } from '../support/recorded.ts';
import { BATCH, CONTEXT, createTraining, TEXT, unwatchedLosses } from '../support/smallTraining.ts';
import { startWatching, trainWatched } from '../support/watched.ts';

onEveryBackend(
  'watch()',
  (backend) => {
    /** Every step: the default of all backends but tensorflow's, which is tested in tensorflow.test.ts. */
    const everyStep: WatchOptions = backend === 'tensorflow' ? { every: 1 } : {};

    test.each(['residual', 'hc', 'hc-static', 'mhc', 'mhc-deepseek'] as const)(
      '%s: losses are bit-identical with and without, with gradients tapped too',
      async (connection) => {
        const count = 12;
        const expected = unwatchedLosses(connection, count);
        for (const gradientGain of [false, true]) {
          const { losses, steps, detail } = await trainWatched(createTraining(connection), count, { ...everyStep, gradientGain });
          expect(losses).toEqual(expected);
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
          if (connection !== 'residual') expect(memory?.totals.get('activations')).toBeGreaterThan(0);
          expect(memory?.totals.get('optimizer')).toBe(2 * (memory?.totals.get('parameters') ?? 0));
        }
      },
    );

    test('a loop that never yields: every step is recorded, and no tensor is left after 200 of them', async () => {
      const { leaked, steps } = await trainWatched(createTraining('hc', 1), 202, { ...everyStep, gradientGain: true });
      expect(leaked).toBe(0);
      expect(steps.map((s) => s.report.step)).toEqual(Array.from({ length: 202 }, (_, i) => i + 1));
    });

    test('model.fit: every batch is a step, with its loss', async () => {
      const training = createTraining('mhc', 1);
      training.model.compile({ optimizer: training.optimizer, loss: crossEntropy });
      const { monitor, lines, runs } = await startWatching(training.model, everyStep);
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
    });
  },
  ['webgpu'],
);
