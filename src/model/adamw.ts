/** AdamW with linear warm-up and optional clipping by the global norm, as a tf.Optimizer (so that fit and minimize take it). */
import * as tf from '@tensorflow/tfjs';
import { adamWUpdate } from '../kernels/operations/adamWUpdate.ts';
import { squaredNorm } from '../kernels/operations/squaredNorm.ts';

export interface AdamWConfig {
  learningRate: number;
  /** Updates over which the learning rate rises linearly to its value; 0: none. */
  warmup?: number;
  beta1?: number;
  beta2?: number;
  epsilon?: number;
  /** Decoupled decay, on matrices only (rank ≥ 2), never on a connection's own weights. */
  weightDecay?: number;
  /** Largest global gradient norm; null: no clipping. */
  clipNorm?: number | null;
}

interface Slot {
  originalName: string;
  variable: tf.Variable;
}

/** Those of GPT-3 (arXiv 2005.14165), but for a decay of a tenth: our choice for runs of some thousand steps. */
const DEFAULTS = { warmup: 0, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.01, clipNorm: null };
/** So that the norm of a gradient of zeros divides. */
const MIN_NORM = 1e-12;

export class AdamW extends tf.Optimizer {
  static className = 'GainwatchAdamW';
  /** Slots, in the form that TF.js's own optimizers keep theirs. */
  private accumulatedFirstMoment: Slot[] = [];
  private accumulatedSecondMoment: Slot[] = [];
  private readonly config: Required<AdamWConfig>;

  constructor(config: AdamWConfig) {
    super();
    this.config = { ...DEFAULTS, ...config };
    const { learningRate, warmup, clipNorm } = this.config;
    if (!(learningRate > 0)) throw new Error(`AdamW: learningRate must be above 0, got ${learningRate}`);
    if (!Number.isInteger(warmup) || warmup < 0) throw new Error(`AdamW: warmup must be a whole number from 0, got ${warmup}`);
    if (clipNorm !== null && !(clipNorm > 0)) throw new Error(`AdamW: clipNorm must be above 0 or null, got ${clipNorm}`);
  }

  /** Of the next update. */
  get learningRate(): number {
    const { learningRate, warmup } = this.config;
    return learningRate * Math.min(1, (this.iterations + 1) / (warmup + 1));
  }

  /** Of the updates from now on; a warm-up that lasts goes on towards it. @throws Error where it is not above 0 */
  set learningRate(value: number) {
    if (!(value > 0)) throw new Error(`AdamW: learningRate must be above 0, got ${value}`);
    this.config.learningRate = value;
  }

  override applyGradients(gradients: tf.NamedTensorMap | { name: string; tensor: tf.Tensor }[]): void {
    const list = Array.isArray(gradients) ? gradients : Object.entries(gradients).map(([name, tensor]) => ({ name, tensor }));
    const { beta1, beta2, epsilon, weightDecay } = this.config;
    const t = this.iterations + 1;
    const step = { learningRate: this.learningRate, beta1, beta2, epsilon, correction1: 1 - beta1 ** t, correction2: 1 - beta2 ** t };
    tf.tidy(() => {
      const scale = this.clipScale(list.map((g) => g.tensor).filter((g) => g != null));
      list.forEach(({ name, tensor: gradient }, i) => {
        if (gradient == null) return;
        const parameter = tf.engine().registeredVariables[name];
        const first = slot(this.accumulatedFirstMoment, i, `${name}/m`, parameter);
        const second = slot(this.accumulatedSecondMoment, i, `${name}/v`, parameter);
        const decays = parameter.rank >= 2 && !/(^|\/)connection_[^/]*$/.test(name); // of its own, not of its branch
        const [p, m, v] = adamWUpdate(parameter, first, second, gradient, scale, { ...step, weightDecay: decays ? weightDecay : 0 });
        parameter.assign(p);
        first.assign(m);
        second.assign(v);
      });
    });
    this.incrementIterations();
  }

  /** min(1, clipNorm / ‖gradient‖). */
  private clipScale(gradients: tf.Tensor[]): tf.Scalar {
    const { clipNorm } = this.config;
    if (clipNorm === null) return tf.scalar(1);
    return tf.minimum(tf.div(clipNorm, tf.add(tf.sqrt(squaredNorm(gradients)), MIN_NORM)), 1) as tf.Scalar;
  }

  override dispose(): void {
    super.dispose();
    tf.dispose([...this.accumulatedFirstMoment, ...this.accumulatedSecondMoment].map((s) => s.variable));
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...this.config };
  }
}

function slot(slots: Slot[], i: number, originalName: string, parameter: tf.Variable): tf.Variable {
  slots[i] ??= { originalName, variable: tf.tidy(() => tf.zerosLike(parameter).variable(false)) };
  return slots[i].variable;
}

tf.serialization.registerClass(AdamW);
