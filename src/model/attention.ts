/** The attention branch: RMS norm with a gain, causal multi-head self-attention, output projection. A tf.layers.Layer. */
import * as tf from '@tensorflow/tfjs';
import { type LayerVariable, oneShape } from '../connections/layer.ts';
import { causalAttention } from '../kernels/operations/causalAttention.ts';
import { dense } from '../kernels/operations/dense.ts';
import { type BranchConfig, BranchLayer } from './branch.ts';

export interface CausalAttentionConfig extends BranchConfig {
  heads: number;
}

/** `[B, T, C]` → `[B, T, C]`; position t sees positions 0 … t. */
export class CausalAttention extends BranchLayer {
  static className = 'GainwatchCausalAttention';
  private readonly heads: number;
  private qkv!: LayerVariable;
  private out!: LayerVariable;

  constructor(config: CausalAttentionConfig) {
    super(config);
    this.heads = config.heads;
  }

  override build(inputShape: tf.Shape | tf.Shape[]): void {
    const channels = oneShape(inputShape).at(-1) as number;
    if (channels % this.heads !== 0) {
      throw new Error(`${this.name}: heads must divide the width, got ${this.heads} heads for width ${channels}`);
    }
    const { outputScale, seed } = this.settings;
    this.addGain('attention_norm', channels);
    this.qkv = this.addMatrix('attention_qkv', [channels, 3 * channels], 1 / Math.sqrt(channels), seed);
    this.out = this.addMatrix('attention_out', [channels, channels], outputScale / Math.sqrt(channels), seed + 1);
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => dense(causalAttention(dense(this.normalised(inputs), this.qkv.read()), this.heads), this.out.read()));
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), heads: this.heads };
  }
}

tf.serialization.registerClass(CausalAttention);
