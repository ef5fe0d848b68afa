/** The MLP branch: RMS norm with a gain, expansion, ReLU, output projection. A tf.layers.Layer. */
import * as tf from '@tensorflow/tfjs';
import { type LayerVariable, oneShape, oneTensor } from '../connections/layer.ts';
import { dense } from '../kernels/operations/dense.ts';
import { relu } from '../kernels/operations/relu.ts';
import { rmsNormalise } from '../kernels/operations/rmsNormalise.ts';
import { type BranchConfig, type BranchSettings, branchConfig, normal, readBranchConfig } from './branch.ts';

export interface FeedForwardConfig extends BranchConfig {
  /** Hidden width over C; 4 unless given. */
  expansion?: number;
}

/** `[..., C]` → `[..., C]` */
export class FeedForward extends tf.layers.Layer {
  static className = 'GainwatchFeedForward';
  private readonly settings: BranchSettings;
  private readonly expansion: number;
  private gain!: LayerVariable;
  private up!: LayerVariable;
  private down!: LayerVariable;

  constructor(config: FeedForwardConfig) {
    super(config);
    this.settings = readBranchConfig(config);
    this.expansion = config.expansion ?? 4;
  }

  override build(inputShape: tf.Shape | tf.Shape[]): void {
    const channels = oneShape(inputShape).at(-1) as number;
    const hidden = channels * this.expansion;
    const { outputScale, seed } = this.settings;
    this.gain = this.addWeight('mlp_norm', [channels], 'float32', tf.initializers.ones());
    this.up = this.addWeight('mlp_up', [channels, hidden], 'float32', normal(Math.sqrt(2 / channels), seed));
    this.down = this.addWeight('mlp_down', [hidden, channels], 'float32', normal(outputScale / Math.sqrt(hidden), seed + 1));
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => {
      const normed = rmsNormalise(oneTensor(inputs), this.settings.normEps, this.gain.read());
      return dense(relu(dense(normed, this.up.read())), this.down.read());
    });
  }

  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape {
    return oneShape(inputShape);
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), ...branchConfig(this.settings), expansion: this.expansion };
  }
}

tf.serialization.registerClass(FeedForward);
