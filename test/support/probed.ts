/** The probe without a thread behind it: what it makes of each step, and each H_res as it was applied, to hold that against. */
import * as tf from '@tensorflow/tfjs';
import { expect, onTestFinished } from 'vitest';
import { findConnections, type Watchable } from '../../plugin/probe/findConnections.ts';
import { attachProbe, beginStep, createProbe, detachProbe, endStep } from '../../plugin/probe/probe.ts';
import type { ProbeOptions } from '../../plugin/probe/probeState.ts';
import { tokenPositions } from '../../plugin/probe/sampler.ts';
import type { ConnectionLayer } from '../../src/connections/layer.ts';
import { isRerunning, offTape } from '../../src/kernels/tape.ts';
import { seededRandom } from '../../src/model/random.ts';
import { analyse } from '../../src/telemetry/analyse.ts';
import type { StepReport } from '../../src/telemetry/report.ts';
import type { StepSample } from '../../src/telemetry/sample.ts';

const TOKENS = 6;

interface AppliedRun {
  name: string;
  mapping: tf.Tensor;
}

export interface ProbedStep {
  sample: StepSample;
  report: StepReport;
  /** Of the connections, as they are listed. */
  names: string[];
  n: number;
}

/** A probe on a model or a list; taken off at the end of the test. */
export function probeOn(target: tf.LayersModel | readonly Watchable[], options: Partial<ProbeOptions> = {}) {
  const connections = findConnections(target);
  const steps: ProbedStep[] = [];
  const notices: string[] = [];
  const faults: string[] = [];
  const probe = createProbe({
    tokens: TOKENS,
    firstStep: 1,
    every: 1,
    gradientGain: false,
    connections,
    weights: [],
    optimizer: null,
    now: () => 0,
    deliver: (sample, n, listed) => {
      const report = analyse({ run: 'test', streams: n, tokens: TOKENS, connections: [...listed] }, sample);
      steps.push({ sample, report, names: listed.map(({ name }) => name), n });
    },
    onFault: (reason) => faults.push(reason),
    onNotice: (line) => notices.push(line),
    ...options,
  });
  attachProbe(probe);
  onTestFinished(() => detachProbe(probe));
  /** One step; what came of it is the last of `steps`. */
  const step = async <T>(act: () => T): Promise<T> => {
    beginStep(probe);
    const result = await act();
    endStep(probe, result instanceof tf.Tensor && result.size === 1 ? result : null);
    await Promise.all(probe.reads);
    return result;
  };
  return { probe, step, steps, notices, faults };
}

/** Notes each H_res that these connections apply in a forward pass, in the order of the passes; the probe's observer looks on. */
export function noteApplied(layers: readonly ConnectionLayer[]): AppliedRun[] {
  const applied: AppliedRun[] = [];
  for (const layer of layers) {
    const { observer } = layer;
    layer.observer = {
      ...observer,
      leave: (output, mapping, logits) => {
        if (!isRerunning()) applied.push({ name: layer.name, mapping: offTape(() => tf.keep(tf.clone(mapping!))) });
        return observer.leave(output, mapping, logits);
      },
    };
  }
  return applied;
}

type Matrix = number[][];
const times = (a: Matrix, b: Matrix): Matrix => a.map((row) => b[0].map((_, j) => row.reduce((sum, value, k) => sum + value * b[k][j], 0)));
const largestRow = (h: Matrix): number => Math.max(...h.map((row) => Math.abs(row.reduce((sum, value) => sum + value, 0))));
const largestColumn = (h: Matrix): number => largestRow(h[0].map((_, j) => h.map((row) => row[j])));
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/**
 * G of connections in the order in which they were applied, in float64, as the formula stands: the largest gain of any product
 * H_l ⋯ H_0 forward and H_{L−1} ⋯ H_l backward, each the mean over the tokens that the probe samples in this step. Disposes them.
 */
export async function compositeGainOf(applied: AppliedRun[], step: number): Promise<number> {
  const uniform = Float64Array.from({ length: TOKENS }, seededRandom(step));
  const sampled: Matrix[][] = []; // [run][token]
  for (const { mapping } of applied) {
    const n = mapping.shape.at(-1)!;
    const rows = (await mapping.reshape([-1, n, n]).array()) as Matrix[];
    sampled.push([...tokenPositions(uniform, rows.length)].map((t) => rows[t]));
    mapping.dispose();
  }
  applied.length = 0;
  let gain = 0;
  const products = (order: Matrix[][], gainOf: (h: Matrix) => number, isForward: boolean) => {
    let product = order[0];
    order.forEach((run, l) => {
      if (l > 0) product = product.map((h, s) => (isForward ? times(run[s], h) : times(h, run[s])));
      gain = Math.max(gain, mean(product.map(gainOf)));
    });
  };
  products(sampled, largestRow, true);
  products([...sampled].reverse(), largestColumn, false);
  return gain;
}

/** The sample is that of these runs, to the rounding of what is made of float32 values in float64. */
export async function expectComposite({ report }: ProbedStep, applied: AppliedRun[]): Promise<void> {
  const expected = await compositeGainOf(applied, report.step);
  expect(Math.abs(report.compositeGain! / expected - 1)).toBeLessThan(1e-12);
}
