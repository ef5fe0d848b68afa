/** The three connections as tf.layers.Layer subclasses: their weights, their start and their configuration. */
import * as tf from '@tensorflow/tfjs';
import { DEFAULT_ITERATIONS, defaultEpsilon } from '../measures/sinkhornKnopp.ts';
import type { Convention } from '../telemetry/sample.ts';
import { type Branch, residual } from './connect.ts';
import { hyperConnection } from './hyper.ts';
import { type ConnectionConfig, ConnectionLayer, type LayerVariable, oneShape } from './layer.ts';
import { manifoldConnection } from './manifold.ts';
import { DEFAULT_NORM_EPS } from './shapes.ts';

/** α: both papers. */
const startAlpha = () => tf.initializers.constant({ value: 0.01 });
/** φ: not published; 0.02 is GPT-2's and usual since. */
const START_PHI_STD = 0.02;
/** b_res off the diagonal: near the identity, yet able to move. Our choice: at −8, also in use, H_res stays at the identity for long. */
const START_OFF_DIAGONAL = -5;

/** x' = x + F(x) over `[..., C]`. */
export class ResidualConnection extends ConnectionLayer {
  static className = 'GainwatchResidualConnection';
  readonly kind = 'residual';

  protected override branchShape(shape: tf.Shape): tf.Shape {
    return shape;
  }

  protected override connect(x: tf.Tensor, branch: Branch): tf.Tensor {
    return residual(x, branch, this.observer);
  }
}

export interface HyperConnectionConfig extends ConnectionConfig {
  /** k, the connection's number from 0: the branch starts by reading stream k mod n. */
  index: number;
  /** Input-dependent mappings (θ, α) beside the static b; true unless given. */
  dynamic?: boolean;
  normEps?: number;
}

/** HC over streams `[..., n, C]`; starts equal to a pre-norm residual network. */
export class HyperConnection extends ConnectionLayer {
  static className = 'GainwatchHyperConnection';
  readonly kind = 'hc';
  protected override readonly settings: Required<Omit<HyperConnectionConfig, keyof ConnectionConfig>>;
  private theta: LayerVariable | null = null;
  private alpha: LayerVariable | null = null;
  private b!: LayerVariable;

  constructor(config: HyperConnectionConfig) {
    super(config);
    const { index, dynamic = true, normEps = DEFAULT_NORM_EPS } = config;
    this.settings = { index: checkIndex(this.name, index), dynamic, normEps };
  }

  override build(inputShape: tf.Shape | tf.Shape[]): void {
    const shape = oneShape(inputShape);
    const n = this.streamsOf(shape);
    if (this.settings.dynamic) {
      this.theta = this.addWeight('connection_theta', [shape.at(-1) as number, n + 2], 'float32', tf.initializers.zeros());
      this.alpha = this.addWeight('connection_alpha', [3], 'float32', startAlpha());
    }
    this.b = this.addWeight('connection_b', [n + 2, n], 'float32', tf.initializers.zeros());
    const own = this.settings.index % n;
    const rows: number[][] = [
      Array.from({ length: n }, (_, j) => (j === own ? 1 : 0)),
      Array.from({ length: n }, () => 1),
      ...Array.from({ length: n }, (_, i) => Array.from({ length: n }, (_, j) => (i === j ? 1 : 0))),
    ];
    tf.tidy(() => void this.b.write(tf.tensor2d(rows, [n + 2, n])));
    super.build(shape);
  }

  protected override connect(x: tf.Tensor, branch: Branch): tf.Tensor {
    const parameters = { theta: this.theta?.read() ?? null, alpha: this.alpha?.read() ?? null, b: this.b.read() };
    return hyperConnection(x, branch, parameters, { normEps: this.settings.normEps, observer: this.observer, block: this.block });
  }
}

export interface ManifoldConnectionConfig extends ConnectionConfig {
  /** k, the connection's number from 0: the branch starts by reading mostly stream k mod n. */
  index: number;
  convention?: Convention;
  iterations?: number;
  /** ε of the deepseek convention. */
  epsilon?: number;
  normEps?: number;
  /** Start of b_res off the diagonal (0 on it); −5 unless given: near the identity, yet able to move. */
  offDiagonal?: number;
  /** Seed of φ's start, normal with std 0.02. */
  seed?: number;
}

/** mHC over streams `[..., n, C]`. */
export class ManifoldConnection extends ConnectionLayer {
  static className = 'GainwatchManifoldConnection';
  readonly kind = 'mhc';
  override readonly convention: Convention;
  protected override readonly settings: Required<Omit<ManifoldConnectionConfig, keyof ConnectionConfig | 'seed'>> & { seed?: number };
  private phi!: LayerVariable;
  private alpha!: LayerVariable;
  private b!: LayerVariable;

  constructor(config: ManifoldConnectionConfig) {
    super(config);
    const { convention = 'paper', iterations = DEFAULT_ITERATIONS, normEps = DEFAULT_NORM_EPS, offDiagonal = START_OFF_DIAGONAL } = config;
    const { epsilon = defaultEpsilon(convention), seed } = config;
    const index = checkIndex(this.name, config.index);
    if (convention !== 'paper' && convention !== 'deepseek') {
      throw new Error(`${this.name}: convention must be 'paper' or 'deepseek', got ${String(convention)}`);
    }
    if (!Number.isInteger(iterations) || iterations < 1) {
      throw new Error(`${this.name}: iterations must be a whole number from 1, got ${iterations}`);
    }
    this.convention = convention;
    this.settings = { index, convention, iterations, epsilon, normEps, offDiagonal };
    if (seed !== undefined) this.settings.seed = seed;
  }

  override build(inputShape: tf.Shape | tf.Shape[]): void {
    const shape = oneShape(inputShape);
    const n = this.streamsOf(shape);
    const channels = shape.at(-1) as number;
    const width = n * n + 2 * n;
    const { index, offDiagonal, seed } = this.settings;
    const normal = tf.initializers.randomNormal({ mean: 0, stddev: START_PHI_STD, ...(seed === undefined ? {} : { seed }) });
    this.phi = this.addWeight('connection_phi', [n * channels, width], 'float32', normal);
    this.alpha = this.addWeight('connection_alpha', [3], 'float32', startAlpha());
    this.b = this.addWeight('connection_b', [width], 'float32', tf.initializers.zeros());
    const own = index % n;
    const pre = Array.from({ length: n }, (_, j) => (j === own ? 1 : -1));
    const res = Array.from({ length: n * n }, (_, k) => (k % (n + 1) === 0 ? 0 : offDiagonal));
    tf.tidy(() => void this.b.write(tf.tensor1d([...pre, ...new Array<number>(n).fill(0), ...res])));
    super.build(shape);
  }

  override get logitBias(): LayerVariable {
    return this.b;
  }

  protected override connect(x: tf.Tensor, branch: Branch): tf.Tensor {
    const { convention, iterations, epsilon, normEps } = this.settings;
    const parameters = { phi: this.phi.read(), alpha: this.alpha.read(), b: this.b.read() };
    return manifoldConnection(x, branch, parameters, {
      convention,
      iterations,
      epsilon,
      normEps,
      observer: this.observer,
      block: this.block,
    });
  }
}

function checkIndex(layer: string, index: number): number {
  if (!Number.isInteger(index) || index < 0) throw new Error(`${layer}: index must be a whole number from 0, got ${index}`);
  return index;
}

tf.serialization.registerClass(ResidualConnection);
tf.serialization.registerClass(HyperConnection);
tf.serialization.registerClass(ManifoldConnection);
