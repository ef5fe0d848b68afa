/**
 * Connections one after the other as one layer: what selective recompute works on, since its blocks are longer than a
 * connection. Holds the layers, cuts them into blocks; how a block is rerun is in block.ts and recompute.ts.
 */
import * as tf from '@tensorflow/tfjs';
import { isTapeOn } from '../kernels/tape.ts';
import { createBlock } from './block.ts';
import { type Call, ConnectionLayer, type LayerArgs, type LayerVariable, oneShape, oneTensor, restoreLayer } from './layer.ts';
import { RECOMPUTE_MODES, type RecomputeMode, recomputeBlock, rerunInBackward } from './recompute.ts';

/**
 * Connections per block where the branches are rerun too: a transformer block. Our choice, as small as it makes sense: what one of them
 * holds while it is rerun is so much more than its streams.
 */
const WHOLE_BLOCK = 2;

export interface ConnectionStackConfig extends LayerArgs {
  /** From input to output, at least one. After load: their serialised form. */
  connections: readonly (ConnectionLayer | tf.serialization.ConfigDict)[];
  /** 'none' unless given. */
  recompute?: RecomputeMode;
  /** Connections per block; unless given, `recomputeBlock(n, L)` for 'connections' and 2 for 'blocks'. */
  block?: number;
}

/** `[..., n, C]` → `[..., n, C]`: the connections in order. Values and gradients are the same in all modes, to the bit. */
export class ConnectionStack extends tf.layers.Layer {
  static className = 'GainwatchConnectionStack';
  /** The connections. A monitor finds them by this name, as it does in nested models. */
  readonly layers: readonly ConnectionLayer[];
  readonly recompute: RecomputeMode;
  private readonly givenBlock: number | undefined;

  constructor(config: ConnectionStackConfig) {
    super(config);
    const { connections, recompute = 'none', block } = config;
    this.layers = connections.map((given) => {
      const layer = given instanceof tf.layers.Layer ? given : restoreLayer(given);
      if (!(layer instanceof ConnectionLayer)) throw new Error(`${this.name}: connections must be ConnectionLayers, got ${layer.name}`);
      return layer;
    });
    if (this.layers.length === 0) throw new Error(`${this.name}: connections must hold at least one, got none`);
    const twice = this.layers.find((layer, i) => this.layers.indexOf(layer) !== i);
    if (twice !== undefined) throw new Error(`${this.name}: connections must be different layers, got ${twice.name} twice`);
    if (!RECOMPUTE_MODES.includes(recompute)) {
      throw new Error(`${this.name}: recompute must be one of ${RECOMPUTE_MODES.join(', ')}, got ${String(recompute)}`);
    }
    if (block !== undefined && (!Number.isInteger(block) || block < 1)) {
      throw new Error(`${this.name}: block must be a whole number from 1, got ${block}`);
    }
    this.recompute = recompute;
    this.givenBlock = block;
  }

  /** Connections per block. @param shape of the input; a residual one has no streams */
  blockLength(shape: tf.Shape): number {
    if (this.givenBlock !== undefined) return Math.min(this.givenBlock, this.layers.length);
    if (this.recompute === 'blocks') return WHOLE_BLOCK;
    return this.layers[0].kind === 'residual' ? this.layers.length : recomputeBlock(shape.at(-2) as number, this.layers.length);
  }

  override build(inputShape: tf.Shape | tf.Shape[]): void {
    // Applied, not built: it is `apply` that puts a layer's name before those of its weights.
    let x = tf.input({ batchShape: oneShape(inputShape) });
    for (const layer of this.layers) x = layer.apply(x) as tf.SymbolicTensor;
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[], kwargs: Call): tf.Tensor {
    return tf.tidy(() => {
      const input = oneTensor(inputs);
      const length = this.blockLength(input.shape);
      let x = input;
      for (let from = 0; from < this.layers.length; from += length) {
        const layers = this.layers.slice(from, from + length);
        const isLast = from + length >= this.layers.length;
        const before = x;
        if (this.recompute === 'blocks') {
          if (isTapeOn()) layers[0].observer.kept?.(x);
          const weights = layers.flatMap((layer) => layer.weights.map((weight) => weight.read() as tf.Variable));
          const trained = weights.filter((weight) => weight.trainable);
          x = rerunInBackward((streams) => applyAll(layers, streams, kwargs), x, trained, !isLast);
        } else x = applyAll(layers, x, kwargs, this.recompute === 'connections' ? isLast : null);
        if (before !== input) before.dispose();
      }
      return x;
    });
  }

  override get trainableWeights(): LayerVariable[] {
    return this.trainable ? this.layers.flatMap((layer) => layer.trainableWeights) : [];
  }

  override get nonTrainableWeights(): LayerVariable[] {
    return this.layers.flatMap((layer) => (this.trainable ? layer.nonTrainableWeights : layer.weights));
  }

  override get weights(): LayerVariable[] {
    return [...this.trainableWeights, ...this.nonTrainableWeights];
  }

  override getConfig(): tf.serialization.ConfigDict {
    return {
      ...super.getConfig(),
      connections: this.layers.map((layer) => ({ className: layer.getClassName(), config: layer.getConfig() })),
      recompute: this.recompute,
      ...(this.givenBlock === undefined ? {} : { block: this.givenBlock }),
    };
  }
}

/**
 * Frees the streams between the connections: the tape holds what it needs of them.
 * @param outward null: without recompute; else the layers are one block of mode 'connections', see RecomputeBlock
 */
function applyAll(layers: readonly ConnectionLayer[], input: tf.Tensor, kwargs: Call, outward: boolean | null = null): tf.Tensor {
  const block = outward === null ? null : createBlock(layers.length, outward);
  let x = input;
  for (const layer of layers) {
    const before = x;
    layer.block = block;
    try {
      x = layer.apply(x, kwargs) as tf.Tensor;
    } finally {
      layer.block = null;
    }
    if (before !== input) before.dispose();
  }
  return x;
}

tf.serialization.registerClass(ConnectionStack);
