/** A model in training as a benchmark takes it: one call is one step, and each round takes one step of every runner. */
import * as tf from '@tensorflow/tfjs';
import { type Monitor, watch } from 'gainwatch';
import type { RecomputeMode } from 'gainwatch/connections';
import { accelerate, type Storage } from 'gainwatch/kernels';
import { AdamW, type ConnectionName, createTransformer, crossEntropy, seededRandom } from 'gainwatch/model';

export interface Setting {
  connection: ConnectionName;
  width: number;
  depth: number;
  batch: number;
  context: number;
  /** Stock operations only. */
  composed?: boolean;
  recompute?: RecomputeMode;
  /** Of the streams, on webgpu. */
  storage?: Storage;
  /** Watched at every so many steps; null: not watched. */
  every?: number | null;
}

/** One of those that take turns. */
export interface Turn {
  /** Of its steps, ms. */
  readonly times: number[];
  /** @returns how long it took, ms */
  step(): number | Promise<number>;
}

export interface Runner extends Turn {
  readonly monitor: Monitor | null;
}

export const STREAMS = 4;

/** What is trained: a seeded model, random bytes to it, and its optimizer. */
export function createTrainee({ connection, width, depth, batch, context, recompute = 'none' }: Setting) {
  const model = createTransformer({ connection, depth, width, context, heads: 4, streams: STREAMS, seed: 1, recompute });
  const optimizer = new AdamW({ learningRate: 1e-4, clipNorm: 1 });
  const random = seededRandom(1);
  const bytes = () => Int32Array.from({ length: batch * context }, () => 256 * random());
  const [x, y] = [bytes(), bytes()].map((values) => tf.tensor2d(values, [batch, context], 'int32'));
  /** One step. @param look is called before the backward pass @returns the loss */
  const train = (look = () => {}) =>
    optimizer.minimize(() => {
      const loss = crossEntropy(y, model.apply(x, { training: true }) as tf.Tensor);
      look();
      return loss;
    }, true) as tf.Scalar;
  return { model, optimizer, train };
}

/** @param runs where the recordings of watched runners go */
export async function createRunner(setting: Setting, runs: string): Promise<Runner> {
  const { connection, width, composed = false, storage = 'float32', every = null } = setting;
  const { model, optimizer, train } = createTrainee(setting);
  const run = `${connection}-${width}-${every}-${composed ? 'composed' : 'fused'}`;
  const monitor = every === null ? null : await watch(model, { run, optimizer, runs, every, port: 0, log: () => {} });
  return {
    monitor,
    times: [],
    step: async () => {
      const undo = composed ? () => {} : accelerate(tf, { storage });
      const start = performance.now();
      const loss = monitor === null ? train() : monitor.step(() => train());
      // data() lets go of the thread: only where the values have to be waited for.
      if (tf.getBackend() === 'webgpu') await loss.data();
      else loss.dataSync();
      const time = performance.now() - start;
      loss.dispose();
      undo();
      return time;
    },
  };
}

/** After each round: its steps in ms, in the runners' order. Rounds below 0 warm up. */
export type OnRound = (round: number, times: readonly number[]) => void;

/** Every runner once per round, in changing order; the first rounds warm up. */
export async function takeTurns(runners: readonly Turn[], rounds: number, warm: number, onRound: OnRound): Promise<void> {
  for (let round = -warm; round < rounds; round++) {
    const times = new Map<Turn, number>();
    for (const runner of round % 2 === 0 ? runners : [...runners].reverse()) {
      const time = await runner.step();
      times.set(runner, time);
      if (round >= 0) runner.times.push(time);
    }
    const inOrder = runners.map((runner) => times.get(runner)!);
    onRound(round, inOrder);
    await new Promise((resolve) => setImmediate(resolve)); // the workers' messages arrive
  }
}
