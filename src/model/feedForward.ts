/** The MLP branch: RMS norm with a gain, expansion, ReLU, output projection. A tf.layers.Layer. */
import * as tf from '@tensorflow/tfjs';
import { type LayerVariable, oneShape } from '../connections/layer.ts';
import { dense } from '../kernels/operations/dense.ts';
import { relu } from '../kernels/operations/relu.ts';
import { type BranchConfig, BranchLayer } from './branch.ts';

export interface FeedForwardConfig extends BranchConfig {
  /** Hidden width over C; 4 unless given (arXiv 1706.03762). */
  expansion?: number;
}

/** `[..., C]` → `[..., C]` */
export class FeedForward extends BranchLayer<{ expansion: number }> {
  static className = 'GainwatchFeedForward';
  private up!: LayerVariable;
  private down!: LayerVariable;

  constructor(config: FeedForwardConfig) {
    super(config, { expansion: config.expansion ?? 4 });
  }

  override build(inputShape: tf.Shape | tf.Shape[]): void {
    const channels = oneShape(inputShape).at(-1) as number;
    const { expansion, outputScale, seed } = this.settings;
    const hidden = channels * expansion;
    this.addGain('mlp_norm', channels);
    this.up = this.addMatrix('mlp_up', [channels, hidden], Math.sqrt(2 / channels), seed);
    this.down = this.addMatrix('mlp_down', [hidden, channels], outputScale / Math.sqrt(hidden), seed + 1);
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => dense(relu(dense(this.normalised(inputs), this.up.read())), this.down.read()));
  }
}

tf.serialization.registerClass(FeedForward);
