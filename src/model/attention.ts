/** The attention branch: RMS norm with a gain, causal multi-head self-attention, output projection. A tf.layers.Layer. */
import * as tf from '@tensorflow/tfjs';
import { type LayerVariable, oneShape, oneTensor } from '../connections/layer.ts';
import { causalAttention } from '../kernels/operations/causalAttention.ts';
import { dense } from '../kernels/operations/dense.ts';
import { rmsNormalise } from '../kernels/operations/rmsNormalise.ts';
import { type BranchConfig, type BranchSettings, branchConfig, normal, readBranchConfig } from './branch.ts';

export interface CausalAttentionConfig extends BranchConfig {
  heads: number;
}

/** `[B, T, C]` → `[B, T, C]`; position t sees positions 0 … t. */
export class CausalAttention extends tf.layers.Layer {
  static className = 'GainwatchCausalAttention';
  private readonly settings: BranchSettings;
  private readonly heads: number;
  private gain!: LayerVariable;
  private qkv!: LayerVariable;
  private out!: LayerVariable;

  constructor(config: CausalAttentionConfig) {
    super(config);
    this.settings = readBranchConfig(config);
    this.heads = config.heads;
  }

  override build(inputShape: tf.Shape | tf.Shape[]): void {
    const channels = oneShape(inputShape).at(-1) as number;
    if (channels % this.heads !== 0) {
      throw new Error(`${this.name}: heads must divide the width, got ${this.heads} heads for width ${channels}`);
    }
    const { outputScale, seed } = this.settings;
    this.gain = this.addWeight('attention_norm', [channels], 'float32', tf.initializers.ones());
    this.qkv = this.addWeight('attention_qkv', [channels, 3 * channels], 'float32', normal(1 / Math.sqrt(channels), seed));
    this.out = this.addWeight('attention_out', [channels, channels], 'float32', normal(outputScale / Math.sqrt(channels), seed + 1));
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => {
      const normed = rmsNormalise(oneTensor(inputs), this.settings.normEps, this.gain.read());
      return dense(causalAttention(dense(normed, this.qkv.read()), this.heads), this.out.read());
    });
  }

  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape {
    return oneShape(inputShape);
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), ...branchConfig(this.settings), heads: this.heads };
  }
}

tf.serialization.registerClass(CausalAttention);
