/** Into and out of the streams, as layers: the input is copied n times, the output is their sum. */
import * as tf from '@tensorflow/tfjs';
import { withGradient } from '../kernels/operation.ts';
import { type LayerArgs, oneShape, oneTensor } from './layer.ts';
import { MAX_OWN_STREAMS } from './shapes.ts';

export interface ExpandStreamsConfig extends LayerArgs {
  /** n, 1 to 8. */
  streams: number;
}

/** `[..., C]` → `[..., n, C]`: n copies. */
export class ExpandStreams extends tf.layers.Layer {
  static className = 'GainwatchExpandStreams';
  private readonly streams: number;

  constructor(config: ExpandStreamsConfig) {
    super(config);
    this.streams = config.streams;
    if (!Number.isInteger(this.streams) || this.streams < 1 || this.streams > MAX_OWN_STREAMS) {
      throw new Error(`${this.name}: streams must be a whole number from 1 to ${MAX_OWN_STREAMS}, got ${this.streams}`);
    }
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => copies(oneTensor(inputs), this.streams));
  }

  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape {
    const shape = oneShape(inputShape);
    return [...shape.slice(0, -1), this.streams, shape.at(-1) as number | null];
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), streams: this.streams };
  }
}

/** n copies of `[..., C]`, `[..., n, C]`. The gradient, their sum, by one operation: stock takes the copies apart first. */
function copies(x: tf.Tensor, n: number): tf.Tensor {
  return withGradient(
    [x],
    ([given]) => ({ value: tf.stack(new Array<tf.Tensor>(n).fill(given), x.rank - 1), saved: [] }),
    (dy) => tf.sum(dy, -2),
  );
}

/** `[..., n, C]` → `[..., C]`: the sum of the streams. */
export class ReduceStreams extends tf.layers.Layer {
  static className = 'GainwatchReduceStreams';

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => tf.sum(oneTensor(inputs), -2));
  }

  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape {
    const shape = oneShape(inputShape);
    return [...shape.slice(0, -2), shape.at(-1) as number | null];
  }
}

tf.serialization.registerClass(ExpandStreams);
tf.serialization.registerClass(ReduceStreams);
