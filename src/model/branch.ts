/** What the layers of the model share: their settings, and the RMS norm with a gain that most of them begin with. */
import * as tf from '@tensorflow/tfjs';
import { type LayerArgs, type LayerVariable, oneTensor } from '../connections/layer.ts';
import { DEFAULT_NORM_EPS } from '../connections/shapes.ts';
import { rmsNormalise } from '../kernels/operations/rmsNormalise.ts';

export interface BranchConfig extends LayerArgs {
  /** Of the starting weights. */
  seed: number;
  /** Factor on the std of the output projection's start; 1 unless given. */
  outputScale?: number;
  /** 1e-6 unless given. */
  normEps?: number;
}

/** `[..., C]` → the same shape, unless a subclass says otherwise. */
export abstract class BranchLayer<Own extends object = object> extends tf.layers.Layer {
  protected readonly settings: Required<Omit<BranchConfig, keyof LayerArgs>> & Own;
  private gain!: LayerVariable;

  /** @param own settings of a subclass */
  constructor(config: BranchConfig, own = {} as Own) {
    super(config);
    const { seed, outputScale = 1, normEps = DEFAULT_NORM_EPS } = config;
    this.settings = { seed, outputScale, normEps, ...own };
  }

  protected addGain(name: string, channels: number): void {
    this.gain = this.addWeight(name, [channels], 'float32', tf.initializers.ones());
  }

  /** A matrix that starts normal with mean 0. */
  protected addMatrix(name: string, shape: [number, number], stddev: number, seed: number): LayerVariable {
    return this.addWeight(name, shape, 'float32', tf.initializers.randomNormal({ mean: 0, stddev, seed }));
  }

  /** RMSNorm(x), times the gain. */
  protected normalised(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return rmsNormalise(oneTensor(inputs), this.settings.normEps, this.gain.read());
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), ...this.settings };
  }
}
