/** A watched model in training: one call is one step on a given batch. */
import * as tf from '@tensorflow/tfjs';
import { AdamW } from '../../src/model/adamw.ts';
import type { Batch } from '../../src/model/batches.ts';
import { crossEntropy } from '../../src/model/nextByteLoss.ts';
import { createTransformer, type TransformerConfig } from '../../src/model/transformer.ts';
import { defaultEvery } from '../probe/probe.ts';
import { type Monitor, type WatchOptions, watch } from '../watch.ts';

export interface Trainee {
  readonly name: string;
  readonly monitor: Monitor;
  readonly losses: number[];
  /** Of each step, with the watching. */
  readonly milliseconds: number[];
  /** The newest step that was watched. */
  lastWatched(): number;
  step(batch: Batch): Promise<void>;
}

export interface Recipe {
  model: TransformerConfig;
  batch: number;
  learningRate: number;
  warmup: number;
}

/** A model with its optimizer, watched. @throws as watch() does */
export async function createTrainee(name: string, recipe: Recipe, options: WatchOptions): Promise<Trainee> {
  const { model: config, batch, learningRate, warmup } = recipe;
  const model = createTransformer(config);
  const optimizer = new AdamW({ learningRate, warmup });
  const monitor = await watch(model, { ...options, run: name, optimizer });
  const losses: number[] = [];
  const milliseconds: number[] = [];
  return {
    name,
    monitor,
    losses,
    milliseconds,
    lastWatched: () => losses.length - ((losses.length - 1) % defaultEvery()),
    step: async ({ inputs, targets }) => {
      const x = tf.tensor2d(inputs, [batch, config.context], 'int32');
      const y = tf.tensor2d(targets, [batch, config.context], 'int32');
      const start = performance.now();
      const loss = monitor.step(
        () => optimizer.minimize(() => crossEntropy(y, model.apply(x, { training: true }) as tf.Tensor), true) as tf.Scalar,
      );
      const [value] = await loss.data();
      milliseconds.push(performance.now() - start);
      losses.push(value);
      tf.dispose([x, y, loss]);
    },
  };
}
