/** A small real training, through the built package: what the tests of watch() watch. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import type { RecomputeMode } from 'gainwatch/connections';
import { AdamW, type ConnectionName, createBatches, createTransformer, crossEntropy } from 'gainwatch/model';
import { onTestFinished } from 'vitest';

export const CONTEXT = 16;
export const BATCH = 2;

export type Training = ReturnType<typeof createTraining>;

/** Bytes with some structure to learn. */
export const TEXT = new TextEncoder().encode('the quick brown fox jumps over the lazy dog. '.repeat(40));

/** Disposed at the end of the test. */
export function createTraining(connection: ConnectionName, depth = 2, recompute: RecomputeMode = 'none') {
  const model = createTransformer({ connection, depth, width: 8, context: CONTEXT, heads: 2, streams: 4, seed: 3, recompute });
  const optimizer = new AdamW({ learningRate: 1e-2, warmup: 5, clipNorm: 1 });
  const next = createBatches(TEXT, BATCH, CONTEXT, 7);
  onTestFinished(() => {
    model.dispose();
    optimizer.dispose();
  });
  /** The caller disposes the loss. */
  const step = (): tf.Scalar => {
    const { inputs, targets } = next();
    const x = tf.tensor2d(inputs, [BATCH, CONTEXT], 'int32');
    const y = tf.tensor2d(targets, [BATCH, CONTEXT], 'int32');
    const loss = optimizer.minimize(() => crossEntropy(y, model.apply(x, { training: true }) as tf.Tensor), true) as tf.Scalar;
    tf.dispose([x, y]);
    return loss;
  };
  return { model, optimizer, step };
}

/** Losses of `count` steps. */
export function lossesOf(training: Training, count: number, around: <T>(run: () => T) => T = (run) => run()): number[] {
  return Array.from({ length: count }, () => {
    const loss = around(training.step);
    const [value] = loss.dataSync();
    loss.dispose();
    return value;
  });
}

/** Of a training that nobody watches. */
export const unwatchedLosses = (connection: ConnectionName, count: number, depth?: number): number[] =>
  lossesOf(createTraining(connection, depth), count);
