/** Trains one run of the corpus and hands each step's report out. Real model, real text; the monitor's own probe and analyse. */
import * as tf from '@tensorflow/tfjs';
import { findConnections } from '../../plugin/probe/findConnections.ts';
import { attachProbe, beginStep, createProbe, detachProbe, endStep } from '../../plugin/probe/probe.ts';
import { ManifoldConnection } from '../../src/connections/layers.ts';
import { AdamW, type AdamWConfig } from '../../src/model/adamw.ts';
import { createBatches } from '../../src/model/batches.ts';
import { crossEntropy } from '../../src/model/nextByteLoss.ts';
import { seededRandom } from '../../src/model/random.ts';
import { createTransformer } from '../../src/model/transformer.ts';
import { analyse } from '../../src/telemetry/analyse.ts';
import type { StepReport } from '../../src/telemetry/report.ts';
import type { RunHeader, StepSample } from '../../src/telemetry/sample.ts';
import { useHalfSinkhorn } from './halfSinkhorn.ts';
import { BATCH, CONTEXT, type Disturbance, HEADS, type RunSpec, type Schedule, STREAMS, TOKENS } from './spec.ts';

/** Steps that are still trained after a gain of 1000 or a loss that is not finite: nothing more is to be learned there. */
const AFTER_THE_END = 60;

class ScheduledAdamW extends AdamW {
  private readonly schedule: Schedule;
  constructor(config: AdamWConfig, schedule: Schedule) {
    super(config);
    this.schedule = schedule;
  }
  override get learningRate(): number {
    return super.learningRate * factorAt(this.schedule, this.iterations + 1);
  }
}

export function factorAt(schedule: Schedule, step: number): number {
  let before: readonly [number, number] | null = null;
  for (const point of schedule) {
    if (step < point[0]) {
      if (before === null) return point[1];
      return before[1] + ((point[1] - before[1]) * (step - before[0])) / (point[0] - before[0]);
    }
    before = point;
  }
  return before?.[1] ?? 1;
}

function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

interface OwnWeights {
  variables: tf.Variable[];
  /** The variable that ends in b_res. */
  bias: tf.Variable;
  layer: object;
}

function disturb(weights: OwnWeights, std: number, seed: number): void {
  const random = seededRandom(seed);
  const values = weights.bias.dataSync<'float32'>().slice();
  for (let k = values.length - STREAMS ** 2; k < values.length; k++) values[k] += std * normal(random);
  tf.tidy(() => {
    weights.bias.assign(tf.tensor(values, weights.bias.shape));
  });
}

/** Runs a step with one connection's own updates × `size`. */
function amplified(weights: OwnWeights, size: number, step: () => void): void {
  const before = weights.variables.map((v) => v.clone());
  step();
  tf.tidy(() => {
    weights.variables.forEach((v, i) => {
      v.assign(before[i].add(v.sub(before[i]).mul(size)));
    });
  });
  tf.dispose(before);
}

/**
 * @param onStep gets the report of every step, in order
 * @param now ms, for the speed only
 */
export function trainRun(
  spec: RunSpec,
  text: Uint8Array,
  onStep: (header: RunHeader, report: StepReport) => void,
  now: () => number,
): void {
  const { connection, depth, width, seed, learningRate, warmup, clipNorm } = spec;
  if (spec.half) useHalfSinkhorn();
  const model = createTransformer({ connection, depth, width, context: CONTEXT, heads: HEADS, streams: STREAMS, seed });
  const optimizer = new ScheduledAdamW({ learningRate, warmup, clipNorm }, spec.schedule ?? []);
  const next = createBatches(text, BATCH, CONTEXT, seed);
  const random = seededRandom(seed + 7);
  const connections = findConnections(model);
  const own = connections.map(({ layer }): OwnWeights => {
    const variables = layer!.connectionWeights.map((w) => w.read() as tf.Variable);
    return { variables, bias: variables.at(-1)!, layer: layer! };
  });
  connections.forEach(({ layer }, l) => {
    if (!(layer instanceof ManifoldConnection)) return;
    if (spec.iterations !== undefined) setIterations(layer, spec.iterations);
    if (spec.logitStd !== undefined) disturb(own[l], spec.logitStd, seed * 100 + l);
  });
  let header: RunHeader | null = null;
  let report: StepReport | null = null;
  const probe = createProbe({
    connections,
    weights: model.weights,
    optimizer,
    tokens: TOKENS,
    firstStep: 1,
    every: 1,
    gradientGain: false,
    now,
    deliver: (sample: StepSample, streams: number) => {
      header ??= { run: spec.name, streams, tokens: TOKENS, connections: connections.map((c) => c.info) };
      report = analyse(header, sample);
    },
    onFault: (reason) => {
      throw new Error(`${spec.name}: ${reason}`);
    },
    onNotice: () => {},
  });
  attachProbe(probe);
  const { disturbance } = spec;
  let ended = 0;
  for (let step = 1; step <= spec.steps && ended < AFTER_THE_END; step++) {
    const { inputs, targets } = next();
    if (spec.poison !== undefined && step >= spec.poison.step && step < spec.poison.step + spec.poison.count) {
      for (const bytes of [inputs, targets]) for (let i = 0; i < bytes.length; i++) bytes[i] = Math.floor(256 * random());
    }
    if (disturbance?.step === step) begin(disturbance, own[disturbance.connection], seed);
    const x = tf.tensor2d(inputs, [BATCH, CONTEXT], 'int32');
    const y = tf.tensor2d(targets, [BATCH, CONTEXT], 'int32');
    const train = () => {
      beginStep(probe);
      const loss = optimizer.minimize(() => crossEntropy(y, model.apply(x, { training: true }) as tf.Tensor), true) as tf.Scalar;
      endStep(probe, loss);
      loss.dispose();
    };
    if (disturbance?.kind === 'learning-rate' && step >= disturbance.step) amplified(own[disturbance.connection], disturbance.size, train);
    else train();
    tf.dispose([x, y]);
    onStep(header!, report!);
    const { compositeGain, loss } = report!;
    if (compositeGain! < 1000 && Number.isFinite(loss)) ended = 0;
    else ended++;
  }
  detachProbe(probe);
  model.dispose();
  optimizer.dispose();
}

function begin({ kind, size }: Disturbance, weights: OwnWeights, seed: number): void {
  if (kind === 'b_res') disturb(weights, size, seed + 11);
  if (kind === 'sinkhorn') setIterations(weights.layer, size);
}

/** A layer's iterations are fixed for its users; here they are what goes wrong. */
function setIterations(layer: object, iterations: number): void {
  (layer as { settings: { iterations: number } }).settings.iterations = iterations;
}
