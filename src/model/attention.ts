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
export class CausalAttention extends BranchLayer<{ heads: number }> {
  static className = 'GainwatchCausalAttention';
  private qkv!: LayerVariable;
  private out!: LayerVariable;

  constructor(config: CausalAttentionConfig) {
    super(config, { heads: config.heads });
  }

  override build(inputShape: tf.Shape | tf.Shape[]): void {
    const channels = oneShape(inputShape).at(-1) as number;
    const { heads, outputScale, seed } = this.settings;
    if (channels % heads !== 0) throw new Error(`${this.name}: heads must divide the width, got ${heads} heads for width ${channels}`);
    this.addGain('attention_norm', channels);
    this.qkv = this.addMatrix('attention_qkv', [channels, 3 * channels], 1 / Math.sqrt(channels), seed);
    this.out = this.addMatrix('attention_out', [channels, channels], outputScale / Math.sqrt(channels), seed + 1);
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    const { heads } = this.settings;
    return tf.tidy(() => dense(causalAttention(dense(this.normalised(inputs), this.qkv.read()), heads), this.out.read()));
  }
}

tf.serialization.registerClass(CausalAttention);
