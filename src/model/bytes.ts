/** The two ends of the byte-level model as layers: embedding with learned positions, and the output head. */
import * as tf from '@tensorflow/tfjs';
import { type LayerVariable, oneShape, oneTensor } from '../connections/layer.ts';
import { dense } from '../kernels/operations/dense.ts';
import { embed } from '../kernels/operations/embed.ts';
import { rmsNormalise } from '../kernels/operations/rmsNormalise.ts';
import { type BranchConfig, type BranchSettings, branchConfig, normal, readBranchConfig } from './branch.ts';

/** Number of different bytes. */
export const VOCABULARY = 256;

export interface ByteEmbeddingConfig extends BranchConfig {
  /** C. */
  width: number;
  /** T, the longest context. */
  context: number;
}

/** Byte values `[B, T]` → `[B, T, C]` */
export class ByteEmbedding extends tf.layers.Layer {
  static className = 'GainwatchByteEmbedding';
  private readonly settings: BranchSettings;
  private readonly width: number;
  private readonly context: number;
  private bytes!: LayerVariable;
  private positions!: LayerVariable;

  constructor(config: ByteEmbeddingConfig) {
    super(config);
    this.settings = readBranchConfig(config);
    this.width = config.width;
    this.context = config.context;
  }

  override build(): void {
    const { seed } = this.settings;
    this.bytes = this.addWeight('embedding_bytes', [VOCABULARY, this.width], 'float32', normal(0.1, seed));
    this.positions = this.addWeight('embedding_positions', [this.context, this.width], 'float32', normal(0.1, seed + 1));
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => {
      const indices = oneTensor(inputs);
      const time = indices.shape[1] as number;
      if (time > this.context) throw new Error(`${this.name}: the context is ${this.context} bytes at most, got ${time}`);
      const positions = this.positions.read();
      return tf.add(
        embed(this.bytes.read() as tf.Tensor2D, indices),
        time === this.context ? positions : positions.slice([0, 0], [time, -1]),
      );
    });
  }

  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape {
    return [...oneShape(inputShape), this.width];
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), ...branchConfig(this.settings), width: this.width, context: this.context };
  }
}

/** `[B, T, C]` → next-byte logits `[B, T, 256]`: RMS norm with a gain, projection. */
export class ByteHead extends tf.layers.Layer {
  static className = 'GainwatchByteHead';
  private readonly settings: BranchSettings;
  private gain!: LayerVariable;
  private projection!: LayerVariable;

  constructor(config: BranchConfig) {
    super(config);
    this.settings = readBranchConfig(config);
  }

  override build(inputShape: tf.Shape | tf.Shape[]): void {
    const channels = oneShape(inputShape).at(-1) as number;
    this.gain = this.addWeight('head_norm', [channels], 'float32', tf.initializers.ones());
    this.projection = this.addWeight(
      'head_projection',
      [channels, VOCABULARY],
      'float32',
      normal(this.settings.outputScale * 0.02, this.settings.seed),
    );
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => {
      const normed = rmsNormalise(oneTensor(inputs), this.settings.normEps, this.gain.read());
      return dense(normed, this.projection.read());
    });
  }

  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape {
    return [...oneShape(inputShape).slice(0, -1), VOCABULARY];
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), ...branchConfig(this.settings) };
  }
}

tf.serialization.registerClass(ByteEmbedding);
tf.serialization.registerClass(ByteHead);
