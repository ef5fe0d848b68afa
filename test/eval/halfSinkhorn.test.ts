/** Sinkhorn in float16: the rounding against all float16 numbers, and that it takes the kernel's place. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { sinkhorn } from '../../src/kernels/operations/sinkhorn.ts';
import { sinkhorn as sinkhorn64 } from '../../src/measures/sinkhornKnopp.ts';
import { seededRandom } from '../../src/model/random.ts';
import { MEASURE_INDEX } from '../../src/telemetry/catalogue.ts';
import type { StepReport } from '../../src/telemetry/report.ts';
import { specOf } from '../support/specs.ts';
import { halfSinkhorn, roundToHalf, useHalfSinkhorn } from './halfSinkhorn.ts';
import type { RunSpec } from './spec.ts';
import { trainRun } from './training.ts';

/** Every finite float16 from 0 on, at the place that its bits say: subnormal ones, then 30 powers of two. */
const HALVES = Array.from({ length: 31 * 1024 }, (_, bits) => {
  const [exponent, fraction] = [bits >> 10, bits & 1023];
  return exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25);
});
const LARGEST = 65504;

/** By search: of the two neighbours the nearer, of equally near ones the one with even bits. */
function nearestHalf(value: number): number {
  const size = Math.abs(value);
  let [low, high] = [0, HALVES.length - 1];
  if (size >= LARGEST) return Math.sign(value) * (size < 65520 ? LARGEST : Number.POSITIVE_INFINITY);
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (HALVES[middle] <= size) low = middle;
    else high = middle;
  }
  const [below, above] = [size - HALVES[low], HALVES[high] - size];
  const nearest = below < above || (below === above && low % 2 === 0) ? low : high;
  return Math.sign(value) * HALVES[nearest];
}

/** [tokens, 4, 4], normal enough. */
function logitsOf(seed: number, tokens: number, spread: number): Float64Array {
  const random = seededRandom(seed);
  return Float64Array.from({ length: 16 * tokens }, () => spread * (random() + random() + random() - 1.5));
}

const paper = { iterations: 20, convention: 'paper', epsilon: 0 } as const;
const furthest = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a, (value, i) => Math.abs(value - b[i])).reduce((x, y) => Math.max(x, y));

describe('rounding to float16', () => {
  it('keeps what is one', () => {
    expect(HALVES[1]).toBe(2 ** -24);
    expect(HALVES.at(-1)).toBe(LARGEST);
    expect(HALVES.filter((half) => roundToHalf(half) !== half || roundToHalf(-half) !== -half)).toEqual([]);
    for (const value of [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN]) expect(roundToHalf(value)).toBe(value);
  });

  it('takes the middle of two to the even one, and what is beside it to the nearer', () => {
    const wrong = HALVES.slice(1).filter((above, low) => {
      const below = HALVES[low];
      const middle = (below + above) / 2;
      const off = (above - below) * 1e-6;
      return (
        roundToHalf(middle) !== (low % 2 === 0 ? below : above) ||
        roundToHalf(-middle) !== (low % 2 === 0 ? -below : -above) ||
        roundToHalf(middle - off) !== below ||
        roundToHalf(middle + off) !== above
      );
    });
    expect(wrong).toEqual([]);
  });

  it('overflows from half a step above the largest on', () => {
    expect(roundToHalf(65519.999)).toBe(LARGEST);
    expect(roundToHalf(65520)).toBe(Number.POSITIVE_INFINITY);
    expect(roundToHalf(-65520)).toBe(Number.NEGATIVE_INFINITY);
    expect(roundToHalf(1e300)).toBe(Number.POSITIVE_INFINITY);
  });

  it('loses what is at most half the smallest', () => {
    expect(Math.abs(roundToHalf(2 ** -25))).toBe(0);
    expect(roundToHalf(2 ** -25 * 1.0001)).toBe(2 ** -24);
  });

  it('is to the nearest of any number', () => {
    const sized = fc.tuple(fc.double({ min: -26, max: 17, noNaN: true }), fc.boolean()).map(([power, up]) => (up ? 1 : -1) * 2 ** power);
    fc.assert(
      fc.property(fc.oneof(sized, fc.double({ noNaN: true })), (value) => {
        // Neither cares for the sign of a zero.
        expect(roundToHalf(value) === nearestHalf(value)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('Sinkhorn in float16', () => {
  const logits = logitsOf(1, 200, 2);
  const half = halfSinkhorn(logits, 4, 20);

  it('has float16 entries only', () => {
    expect(half.filter((value) => roundToHalf(value) !== value).length).toBe(0);
  });

  it('is the exact one but for some units in the last place', () => {
    const difference = furthest(half, sinkhorn64(logits, 4, paper));
    expect(difference).toBeGreaterThan(2 ** -13);
    expect(difference).toBeLessThan(8 * 2 ** -11);
  });

  it('has rows that sum to 1 but for the rounding of three additions and four quotients', () => {
    const sums = Array.from({ length: 800 }, (_, row) => half.subarray(4 * row, 4 * row + 4).reduce((sum, value) => sum + value, 0));
    const deviation = furthest(sums, new Float64Array(800).fill(1));
    expect(deviation).toBeGreaterThan(2 ** -13);
    expect(deviation).toBeLessThan(4 * 2 ** -11);
  });

  it('does each matrix by itself', () => {
    expect(halfSinkhorn(logits.subarray(16 * 7, 16 * 8), 4, 20)).toEqual(half.slice(16 * 7, 16 * 8));
  });

  it('loses a row that is 2⁻²⁵ of the largest in each column', () => {
    const lost = Float64Array.of(0, 0, -18, -18);
    expect(halfSinkhorn(lost, 2, 20).subarray(2)).toEqual(Float64Array.of(Number.NaN, Number.NaN));
    expect(sinkhorn64(lost, 2, paper).subarray(2)).toEqual(Float64Array.of(0.5, 0.5));
  });
});

// The last of the file: there is no way back within a process.
describe('in place of the kernel', () => {
  const SPEC = specOf({ logitStd: 1 });

  const random = seededRandom(4);
  const text = Uint8Array.from({ length: 4096 }, () => 256 * random());

  function reportsOf(spec: RunSpec): StepReport[] {
    const reports: StepReport[] = [];
    trainRun(spec, text, (_, report) => reports.push(report), performance.now.bind(performance));
    return reports;
  }

  const rowDeviations = (reports: StepReport[]) =>
    reports.flatMap(({ measures }) => {
      const layers = 2 * SPEC.depth;
      return Array.from({ length: layers }, (_, l) => measures[MEASURE_INDEX.rowDeviation * layers + l]);
    });

  const logits = Float32Array.from(logitsOf(2, 50, 2));
  const kernel = () => tf.tidy(() => sinkhorn(tf.tensor(logits, [50, 4, 4]), paper).dataSync<'float32'>());

  beforeAll(async () => {
    await tf.setBackend('wasm');
  });

  it('it changes what is called on both backends, and a run by the size of the rounding', async () => {
    const exactKernel = kernel();
    const exact = reportsOf(SPEC);
    expect(furthest(exactKernel, sinkhorn64(Float64Array.from(logits), 4, paper))).toBeLessThan(1e-6);
    expect(Math.max(...rowDeviations(exact))).toBeLessThan(1e-5);

    const rounded = reportsOf({ ...SPEC, half: true });
    expect(Math.min(...rowDeviations(rounded))).toBeGreaterThan(2 ** -15);
    expect(Math.max(...rowDeviations(rounded))).toBeLessThan(4 * 2 ** -11);
    // A single loss, a float32, may come out the same.
    expect(rounded.filter(({ loss }, i) => loss !== exact[i].loss).length).toBeGreaterThan(exact.length / 2);
    rounded.forEach(({ loss }, i) => {
      expect(Math.abs((loss ?? 0) - (exact[i].loss ?? 0))).toBeLessThan(0.01);
    });

    for (const backend of ['wasm', 'cpu']) {
      await tf.setBackend(backend);
      expect(kernel(), backend).toEqual(Float32Array.from(halfSinkhorn(logits, 4, 20)));
      // Again is the same.
      useHalfSinkhorn();
      expect(kernel(), backend).toEqual(Float32Array.from(halfSinkhorn(logits, 4, 20)));
    }
  });

  it('leaves the gradient as it was', () => {
    const weights = tf.tensor(Float32Array.from(logitsOf(3, 50, 1)), [50, 4, 4]);
    const gradient = tf
      .grad((x) => sinkhorn(x, paper).mul(weights).sum())(tf.tensor(logits, [50, 4, 4]))
      .dataSync();
    expect(Array.from(gradient).every(Number.isFinite)).toBe(true);
  });
});
