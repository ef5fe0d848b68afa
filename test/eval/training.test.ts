/** The generator of the corpus: it gives the committed recordings again, to rounding, and does to a run what its spec says. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { beforeAll, describe, expect, it } from 'vitest';
import { accelerate } from '../../src/kernels/accelerate.ts';
import { MEASURE_INDEX } from '../../src/telemetry/catalogue.ts';
import type { StepReport } from '../../src/telemetry/report.ts';
import { specOf } from '../support/specs.ts';
import { createReducer, decodeReduced, encodeReduced } from './reduced.ts';
import { RUNS, ramp } from './runs.ts';
import type { Disturbance, RunSpec } from './spec.ts';
import { factorAt, trainRun } from './training.ts';

/** What the corpus was trained on. */
const TEXT = readFileSync(new URL('../../node_modules/playwright-core/types/types.d.ts', import.meta.url));
const now = performance.now.bind(performance);

beforeAll(async () => {
  await tf.setBackend('wasm');
  accelerate(tf);
});

describe('the factor on the learning rate', () => {
  it('is 1 without a schedule', () => {
    expect(factorAt([], 1)).toBe(1);
  });

  it('is linear between the points, constant outside them', () => {
    const schedule = [
      [10, 1],
      [20, 3],
      [40, 0],
    ] as const;
    const factors = [1, 10, 15, 20, 30, 40, 1000].map((step) => factorAt(schedule, step));
    expect(factors).toEqual([1, 1, 2, 3, 1.5, 0, 0]);
  });
});

describe('a run with', () => {
  const LAYERS = 4;
  const SPEC = specOf({ depth: LAYERS / 2, steps: 6, learningRate: 1e-2 });

  function reportsOf(more: Partial<RunSpec>): StepReport[] {
    const reports: StepReport[] = [];
    trainRun({ ...SPEC, ...more }, TEXT, (_, report) => reports.push(report), now);
    return reports;
  }

  const backwardGains = ({ measures }: StepReport) => [
    ...measures.subarray(MEASURE_INDEX.backwardGain * LAYERS, (MEASURE_INDEX.backwardGain + 1) * LAYERS),
  ];
  /** Which of the connections differ, per step. */
  const differences = (a: StepReport[], b: StepReport[]) =>
    a.map((report, i) => {
      const other = backwardGains(b[i]);
      return backwardGains(report).flatMap((value, l) => (value === other[l] ? [] : [l]));
    });
  const disturbed = (kind: Disturbance['kind'], size: number) => reportsOf({ disturbance: { kind, connection: 2, step: 4, size } });

  const undisturbed: StepReport[] = [];
  beforeAll(() => {
    undisturbed.push(...reportsOf({}));
  });

  it('nothing done to it is the same again, and leaves no tensor', () => {
    const before = tf.memory().numTensors;
    const again = reportsOf({});
    expect(tf.memory().numTensors).toBe(before);
    expect(again.map(({ loss }) => loss)).toEqual(undisturbed.map(({ loss }) => loss));
    expect(differences(again, undisturbed).flat()).toEqual([]);
  });

  it.each([
    ['b_res', 1],
    ['sinkhorn', 1],
  ] as const)('%s disturbed is the same before, and differs in that connection from that step on', (kind, size) => {
    const [one, two, three, four, five] = differences(disturbed(kind, size), undisturbed);
    expect([one, two, three]).toEqual([[], [], []]);
    // What comes before it in the network has not yet heard of it.
    expect(four).not.toContain(0);
    expect(four).not.toContain(1);
    expect(four).toContain(2);
    expect(five).toContain(2);
  });

  it('its learning rate × 30 is the same up to that step, and differs after it', () => {
    const found = differences(disturbed('learning-rate', 30), undisturbed);
    expect(found.slice(0, 4)).toEqual([[], [], [], []]);
    expect(found[4]).toContain(2);
    expect(found[4]).not.toContain(0);
  });

  it('a poisoned batch has another loss there', () => {
    const losses = reportsOf({ poison: { step: 3, count: 2 } }).map(({ loss }, i) => loss === undisturbed[i].loss);
    expect(losses.slice(0, 4)).toEqual([true, true, false, false]);
  });

  it('a schedule has that learning rate', () => {
    const rates = reportsOf(ramp(2, 4, 0.5)).map(({ learningRate }) => (learningRate ?? Number.NaN) / SPEC.learningRate);
    [1, 1, 0.75, 0.5, 0.5, 0.5].forEach((factor, i) => {
      expect(rates[i]).toBeCloseTo(factor, 6);
    });
  });
});

describe('the first steps of a committed recording', () => {
  const STEPS = 15;

  // The rounded one last: it stays so for the process.
  it.each(['t-short-01', 't-short-06', 't-mhc-large-logits-01', 't-mhc-half-01'])('come out again: %s', (name) => {
    const spec = RUNS.find((run) => run.name === name)!;
    const committed = decodeReduced(readFileSync(new URL(`./recordings/${name}.br`, import.meta.url)));
    const reducer = createReducer(spec, createHash('sha256').update(TEXT).digest('hex').slice(0, 16));
    trainRun({ ...spec, steps: STEPS }, TEXT, reducer.addReport, now);
    const again = decodeReduced(encodeReduced(reducer.done()));
    expect({ ...again, planes: Object.keys(again.planes) }).toEqual({
      ...committed,
      steps: STEPS,
      planes: Object.keys(committed.planes),
    });
    for (const [key, values] of Object.entries(again.planes)) {
      const far = [...values].filter((value, i) => !near(value, committed.planes[key][i]));
      expect(far, key).toEqual([]);
    }
  });
});

/** The kernels of today round otherwise than those that it was recorded with: two steps of the grids, or as small as rounding. */
function near(a: number, b: number): boolean {
  return Object.is(a, b) || Math.abs(a - b) <= Math.max(2e-3 * Math.abs(b), 1e-3);
}
