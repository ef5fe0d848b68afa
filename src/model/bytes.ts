/** The two ends of the byte-level model as layers: embedding with learned positions, and the output head. */
import * as tf from '@tensorflow/tfjs';
import { type LayerVariable, oneShape, oneTensor } from '../connections/layer.ts';
import { dense } from '../kernels/operations/dense.ts';
import { embed } from '../kernels/operations/embed.ts';
import { type BranchConfig, BranchLayer } from './branch.ts';

/** Number of different bytes. */
export const VOCABULARY = 256;
/** Of the starting weights. Our choices: an embedding is far from 0 beside its norm; the first logits are all near 0. */
const [START_EMBEDDING_STD, START_HEAD_STD] = [0.1, 0.02];

export interface ByteEmbeddingConfig extends BranchConfig {
  /** C. */
  width: number;
  /** T, the longest context. */
  context: number;
}

/** Byte values `[B, T]` → `[B, T, C]` */
export class ByteEmbedding extends BranchLayer<{ width: number; context: number }> {
  static className = 'GainwatchByteEmbedding';
  private bytes!: LayerVariable;
  private positions!: LayerVariable;

  constructor(config: ByteEmbeddingConfig) {
    super(config, { width: config.width, context: config.context });
  }

  override build(): void {
    const { seed, width, context } = this.settings;
    this.bytes = this.addMatrix('embedding_bytes', [VOCABULARY, width], START_EMBEDDING_STD, seed);
    this.positions = this.addMatrix('embedding_positions', [context, width], START_EMBEDDING_STD, seed + 1);
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => {
      const indices = oneTensor(inputs);
      const time = indices.shape[1] as number;
      const { context } = this.settings;
      if (time > context) throw new Error(`${this.name}: the context is ${context} bytes at most, got ${time}`);
      const all = this.positions.read();
      const positions = time === context ? all : all.slice([0, 0], [time, -1]);
      return tf.add(embed(this.bytes.read() as tf.Tensor2D, indices), positions);
    });
  }

  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape {
    return [...oneShape(inputShape), this.settings.width];
  }
}

/** `[B, T, C]` → next-byte logits `[B, T, 256]`: RMS norm with a gain, projection. */
export class ByteHead extends BranchLayer {
  static className = 'GainwatchByteHead';
  private projection!: LayerVariable;

  override build(inputShape: tf.Shape | tf.Shape[]): void {
    const channels = oneShape(inputShape).at(-1) as number;
    const { outputScale, seed } = this.settings;
    this.addGain('head_norm', channels);
    this.projection = this.addMatrix('head_projection', [channels, VOCABULARY], outputScale * START_HEAD_STD, seed);
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => dense(this.normalised(inputs), this.projection.read()));
  }

  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape {
    return [...oneShape(inputShape).slice(0, -1), VOCABULARY];
  }
}

tf.serialization.registerClass(ByteEmbedding);
tf.serialization.registerClass(ByteHead);
