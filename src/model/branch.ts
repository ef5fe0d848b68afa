/** Settings that both branches of a transformer block share. No layer. */
import * as tf from '@tensorflow/tfjs';

export interface BranchSettings {
  /** Seed of the starting weights. */
  seed: number;
  /** Factor on the std of the output projection's start. */
  outputScale: number;
  normEps: number;
}

export interface BranchConfig extends NonNullable<ConstructorParameters<typeof tf.layers.Layer>[0]> {
  seed: number;
  outputScale?: number;
  normEps?: number;
}

/** The settings with their defaults: outputScale 1, normEps 1e-6. */
export function readBranchConfig({ seed, outputScale = 1, normEps = 1e-6 }: BranchConfig): BranchSettings {
  return { seed, outputScale, normEps };
}

/** Their part of a layer's configuration. */
export function branchConfig(settings: BranchSettings): tf.serialization.ConfigDict {
  return { ...settings };
}

/** Normal with mean 0. */
export function normal(stddev: number, seed: number) {
  return tf.initializers.randomNormal({ mean: 0, stddev, seed });
}
