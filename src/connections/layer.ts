/**
 * The tf.layers.Layer around a connection: owns the branch layer and the connection's weights, and is where a monitor
 * hooks in (`observer`). The mathematics is in the functions (connect.ts, hyper.ts, manifold.ts).
 */
import * as tf from '@tensorflow/tfjs';
import type { ConnectionKind, Convention } from '../telemetry/sample.ts';
import type { RecomputeBlock } from './block.ts';
import type { Branch } from './connect.ts';
import { type ConnectionObserver, unobserved } from './observer.ts';
import { MAX_OWN_STREAMS } from './shapes.ts';

export type LayerArgs = NonNullable<ConstructorParameters<typeof tf.layers.Layer>[0]>;
export type LayerVariable = ReturnType<tf.layers.Layer['addWeight']>;
export type Call = Parameters<tf.layers.Layer['call']>[1];

export interface ConnectionConfig extends LayerArgs {
  /** F: any layer from `[..., C]` to `[..., C]`. After load: its serialised form. */
  branch: tf.layers.Layer | tf.serialization.ConfigDict;
}

/** The one tensor that tf.layers hands to `call`, alone or in a list. */
export function oneTensor(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
  return Array.isArray(inputs) ? inputs[0] : inputs;
}

/** A shape of one tensor from what tf.layers hands to build and computeOutputShape. */
export function oneShape(shape: tf.Shape | tf.Shape[]): tf.Shape {
  return Array.isArray(shape[0]) ? (shape[0] as tf.Shape) : (shape as tf.Shape);
}

/** Has `branch`, `observer`, and weights of its own beside the branch's. Subclasses add the weights and the equation. */
export abstract class ConnectionLayer extends tf.layers.Layer {
  abstract readonly kind: ConnectionKind;
  readonly convention: Convention | null = null;
  readonly branch: tf.layers.Layer;
  /** What a subclass was made with beside the branch, for its configuration. */
  protected readonly settings: object = {};
  /** Looks into each call; set by a monitor, `unobserved` otherwise. */
  observer: ConnectionObserver = unobserved;
  /** Set by a ConnectionStack while it applies the layer: what it is rerun with in the backward pass. */
  block: RecomputeBlock | null = null;

  constructor(config: ConnectionConfig) {
    super(config);
    const branch = config.branch;
    if (branch instanceof tf.layers.Layer) this.branch = branch;
    else if (branch != null && typeof branch['className'] === 'string') this.branch = restoreLayer(branch);
    else throw new Error(`${this.name}: branch must be a tf.layers.Layer, got ${String(branch)}`);
  }

  /** Number of streams in an input of this shape. */
  protected streamsOf(shape: tf.Shape): number {
    const n = shape.at(-2);
    if (shape.length < 3 || n == null || n < 1 || n > MAX_OWN_STREAMS) {
      throw new Error(
        `${this.name}: the input must be streams [..., n, C] with n from 1 to ${MAX_OWN_STREAMS} (expandStreams makes them), got [${shape.join(',')}]`,
      );
    }
    return n;
  }

  /** Shape of the branch's input. */
  protected branchShape(shape: tf.Shape): tf.Shape {
    return [...shape.slice(0, -2), shape.at(-1) as number | null];
  }

  override build(inputShape: tf.Shape | tf.Shape[]): void {
    const shape = this.branchShape(oneShape(inputShape));
    if (!this.branch.built) {
      this.branch.build(shape);
      this.branch.built = true;
    }
    const out = oneShape(this.branch.computeOutputShape(shape));
    if (out.length !== shape.length || out.at(-1) !== shape.at(-1)) {
      throw new Error(`${this.name}: the branch must keep its shape [${shape.join(',')}], ${this.branch.name} gives [${out.join(',')}]`);
    }
    this.built = true;
  }

  /** The equation. @param branch F, with the arguments of the call */
  protected abstract connect(x: tf.Tensor, branch: Branch): tf.Tensor;

  override call(inputs: tf.Tensor | tf.Tensor[], kwargs: Call): tf.Tensor {
    const branch: Branch = (u) => oneTensor(this.branch.apply(u, kwargs) as tf.Tensor | tf.Tensor[]);
    return tf.tidy(() => this.connect(oneTensor(inputs), branch));
  }

  /** Its own weights, without the branch's. */
  get connectionWeights(): LayerVariable[] {
    return [...super.trainableWeights, ...super.nonTrainableWeights];
  }

  /** The weight whose last n² values are the bias of the logits of H_res, row-major; null where there are no logits. */
  get logitBias(): LayerVariable | null {
    return null;
  }

  override get trainableWeights(): LayerVariable[] {
    return this.trainable ? [...super.trainableWeights, ...this.branch.trainableWeights] : [];
  }

  override get nonTrainableWeights(): LayerVariable[] {
    return [...super.nonTrainableWeights, ...(this.trainable ? this.branch.nonTrainableWeights : this.branch.weights)];
  }

  override get weights(): LayerVariable[] {
    return [...this.trainableWeights, ...this.nonTrainableWeights];
  }

  override getConfig(): tf.serialization.ConfigDict {
    const branch = { className: this.branch.getClassName(), config: this.branch.getConfig() };
    return { ...super.getConfig(), branch, ...this.settings };
  }
}

/** A layer from its serialised form, by the classes registered with TF.js. @throws Error where its class is not */
export function restoreLayer(serialised: tf.serialization.ConfigDict): tf.layers.Layer {
  const name = serialised['className'] as string;
  const registered = tf.serialization.SerializationMap.getMap().classNameMap[name];
  if (registered == null) throw new Error(`the layer class ${name} is not registered (tf.serialization.registerClass)`);
  const [classOf, fromConfig] = registered;
  return fromConfig(classOf, serialised['config'] as tf.serialization.ConfigDict) as tf.layers.Layer;
}
