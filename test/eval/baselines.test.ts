/** The baselines against naive references, written from what their authors publish. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/model/random.ts';
import { BASELINES } from './baselines/all.ts';
import { lightning, megatron, olmo, wandb, zclip } from './baselines/spikes.ts';
import { holt, leastSquares, theilSen } from './baselines/trends.ts';
import type { Series } from './series.ts';

const SEEDS = [1, 2, 3, 4, 5];

/** Noise around 3 with a spread of 0.3, a slow rise, spikes in one step of 40, and one for certain. */
function noisy(seed: number, length = 300): Float64Array {
  const random = seededRandom(seed);
  return Float64Array.from(
    { length },
    (_, i) => 3 + 0.002 * i + (random() - 0.5) + (random() < 1 / 40 ? 8 * random() : 0) + (i === 150 ? 20 : 0),
  );
}

/**
 * Equal but for rounding: each of `terms` additions is wrong by 2⁻⁵³ at most, which a difference of nearly equal numbers
 * makes worse: by the square of mean over deviation, some 100 here.
 */
function expectNear(actual: Float64Array, expected: readonly number[], terms: number): void {
  expect(actual.length).toBe(expected.length);
  expected.forEach((value, i) => {
    if (Number.isNaN(value)) expect(actual[i], `step ${i + 1}`).toBeNaN();
    else expect(Math.abs(actual[i] - value), `step ${i + 1}`).toBeLessThanOrEqual(terms * 2 ** -53 * 100 * (1 + Math.abs(value)));
  });
}

/** A reference that sees all values up to and with the newest. */
const perStep = (values: Float64Array, of: (soFar: number[]) => number) => Array.from(values, (_, i) => of([...values.subarray(0, i + 1)]));
const meanOf = (list: readonly number[]) => list.reduce((sum, value) => sum + value, 0) / list.length;

/** From the differences of all pairs, so that it needs no mean. */
function deviationOf(list: readonly number[], unbiased: boolean): number {
  let squares = 0;
  for (let a = 0; a < list.length; a++) for (let b = 0; b < a; b++) squares += (list[a] - list[b]) ** 2;
  return Math.sqrt(squares / (list.length * (unbiased ? list.length - 1 : list.length)));
}

function medianOf(list: readonly number[]): number {
  const sorted = [...list].sort((a, b) => a - b);
  const [low, high] = [sorted[Math.ceil(sorted.length / 2) - 1], sorted[Math.floor(sorted.length / 2)]];
  return (low + high) / 2;
}

describe.each(SEEDS)('on the series %i', (seed) => {
  const values = noisy(seed);

  it("W&B's z-score is of the 30 values before", () => {
    const expected = perStep(values, (soFar) => {
      const newest = soFar.pop() ?? Number.NaN;
      const before = soFar.slice(-30);
      return before.length < 30 ? Number.NaN : (newest - meanOf(before)) / deviationOf(before, false);
    });
    expectNear(wandb(values), expected, 30);
  });

  it("OLMo's is of the 128 before, from 64 values on, to either side", () => {
    const kept: number[] = [];
    const expected = Array.from(values, (value) => {
      kept.push(value);
      if (kept.length > 129) kept.shift();
      if (kept.length < 64) return Number.NaN;
      const before = kept.slice(0, -1);
      return Math.abs(value - meanOf(before)) / deviationOf(before, true);
    });
    expectNear(olmo(values), expected, 128);
  });

  it("ZClip's mean and variance are sums with weights 0.03 × 0.97^age, in which an outlier counts as clipped", () => {
    const limit = 2.5;
    const first = [...values.subarray(0, 25)];
    const taken: number[] = [];
    const squares: number[] = [];
    const weighted = (start: number, list: number[]) =>
      0.97 ** list.length * start + list.reduce((sum, value, k) => sum + 0.03 * 0.97 ** (list.length - 1 - k) * value, 0);
    const expected = Array.from(values, (value, i) => {
      if (i < 25) return Number.NaN;
      const mean = weighted(meanOf(first), taken);
      const deviation = Math.sqrt(weighted(deviationOf(first, false) ** 2, squares));
      const z = (value - mean) / (deviation + 1e-6);
      // The further out, the nearer to the mean it is clipped.
      taken.push(z > limit ? mean + (limit ** 2 * deviation) / z : value);
      squares.push((taken[taken.length - 1] - weighted(meanOf(first), taken)) ** 2);
      return z;
    });
    expect(expected.some((z) => z > limit)).toBe(true);
    expectNear(zclip(limit)(values), expected, 300);
  });

  it.each([0.1, 0.5, 2])(
    "Lightning's tells what is worse than the last and off the mean of ten by %d of it, spikes left out",
    (tolerance) => {
      const broken = values.map((value, i) => (i === 60 ? Number.NaN : i === 170 ? Number.POSITIVE_INFINITY : value));
      const kept: number[] = [];
      const expected = Array.from(broken, (value, i) => {
        const mean = meanOf(kept.slice(-10));
        const isSpike = i > 0 && (!Number.isFinite(value) || (value > kept[kept.length - 1] && Math.abs(value - mean) >= tolerance * mean));
        if (!isSpike) kept.push(value);
        return isSpike;
      });
      expect(expected.filter(Boolean).length).toBeGreaterThan(2);
      expect(Array.from(lightning(tolerance)(broken), (score) => score >= tolerance)).toEqual(expected);
    },
  );

  it.each([0.8, 1, 10])("Megatron's tells what is %d times the largest of the first 100", (threshold) => {
    let largest = 0;
    // The 100th is the largest of them.
    const grown = values.map((value, i) => (i > 200 ? value * (i - 199) : i === 99 ? value * 5 : value));
    const expected = Array.from(grown, (value, i) => {
      if (i >= 100) return value >= threshold * largest;
      largest = Math.max(largest, Math.abs(value));
      return false;
    });
    expect(expected).toContain(true);
    expect(Array.from(megatron(grown), (score) => score >= threshold)).toEqual(expected);
    // What is not finite counts for nothing, the sign neither.
    const broken = [Number.NaN, Number.POSITIVE_INFINITY, ...grown].map((value) => -value);
    expect(Array.from(megatron(Float64Array.from(broken)), (score) => score >= threshold)).toEqual([false, false, ...expected]);
  });

  it.each([
    [20, 50],
    [50, 400],
    [200, 100],
  ])("least squares over %i steps, %i ahead, is Prometheus's predict_linear", (window, horizon) => {
    const expected = perStep(values, (soFar) => {
      if (soFar.length < window) return Number.NaN;
      const points = soFar.slice(-window).map((y, k) => ({ x: k + 1 - window, y }));
      const sum = (of: (point: { x: number; y: number }) => number) => points.reduce((total, point) => total + of(point), 0);
      const [x, y] = [sum((p) => p.x), sum((p) => p.y)];
      const slope = (sum((p) => p.x * p.y) - (x * y) / window) / (sum((p) => p.x ** 2) - x ** 2 / window);
      // Intercept at the time of the question, which is that of the newest point.
      return slope * horizon + (y / window - (slope * x) / window);
    });
    expectNear(leastSquares(values, window, horizon), expected, window + horizon);
  });

  it('Theil–Sen over 20 steps is the median of the slopes of all pairs, through the median of the points', () => {
    const expected = perStep(values, (soFar) => {
      if (soFar.length < 20) return Number.NaN;
      const list = soFar.slice(-20);
      const slope = medianOf(list.flatMap((high, b) => list.slice(0, b).map((low, a) => (high - low) / (b - a))));
      return medianOf(list.map((value, k) => value + slope * (19 + 50 - k)));
    });
    expectNear(theilSen(values, 20, 50), expected, 70);
  });

  it('Theil–Sen over more steps is that of 20 of them, evenly spread, both ends among them', () => {
    // 191 = 1 + 19 × 10.
    const thinned = (end: number) => Float64Array.from({ length: 20 }, (_, k) => values[end - 10 * (19 - k)]);
    const expected = Array.from(values, (_, end) => (end < 190 ? Number.NaN : theilSen(thinned(end), 20, 10)[19]));
    expectNear(theilSen(values, 191, 100), expected, 120);
  });

  it('Holt corrects level and slope by the error of what it expected', () => {
    const [alpha, beta, horizon] = [0.3, 0.1, 50];
    let [level, slope] = [values[0], 0];
    const expected = Array.from(values, (value, i) => {
      if (i === 0) return Number.NaN;
      const error = value - (level + slope);
      level += slope + alpha * error;
      slope += alpha * beta * error;
      return level + horizon * slope;
    });
    expectNear(holt(values, alpha, beta, horizon), expected, 300 + horizon);
  });
});

describe('a trend', () => {
  const coefficient = fc.double({ min: -10, max: 10, noNaN: true });
  const line = (a: number, b: number, length: number) => Float64Array.from({ length }, (_, i) => a + b * i);

  it('goes on with a line', () => {
    fc.assert(
      fc.property(coefficient, coefficient, (a, b) => {
        const values = line(a, b, 60);
        const expected = Array.from(values, (_, i) => (i < 49 ? Number.NaN : a + b * (i + 100)));
        expectNear(leastSquares(values, 50, 100), expected, 150);
        expectNear(theilSen(values, 50, 100), expected, 150);
        // Holt starts without a slope and must learn it first.
        const last = holt(line(a, b, 2000), 0.3, 0.1, 100)[1999];
        expect(Math.abs(last - (a + b * 2099))).toBeLessThanOrEqual(1e-9 * (1 + Math.abs(last)));
      }),
    );
  });

  it('of Theil and Sen stands five wild values in twenty', () => {
    const wild = fc.uniqueArray(fc.tuple(fc.integer({ min: 0, max: 19 }), fc.double({ min: -1e6, max: 1e6, noNaN: true })), {
      selector: ([at]) => at,
      maxLength: 5,
    });
    fc.assert(
      fc.property(coefficient, coefficient, wild, (a, b, places) => {
        const values = line(a, b, 20);
        for (const [at, value] of places) values[at] = value;
        // 105 of the 190 slopes are of untouched pairs: more than half.
        expectNear(theilSen(values, 20, 100).subarray(19), [a + b * 119], 120);
      }),
    );
  });
});

describe('the table of baselines', () => {
  const series = {
    gain: noisy(6).map((value, i) => (i < 290 ? value : Number.POSITIVE_INFINITY)),
    loss: noisy(7).map((value, i) => (i < 290 ? value : Number.NaN)),
    gradientNorm: noisy(8).map((value, i) => (i < 290 ? value : Number.NaN)),
  } as Series;

  it('has no two of one name, and gives a score per step, also where the run is broken', () => {
    expect(new Set(BASELINES.map(({ name }) => name)).size).toBe(BASELINES.length);
    for (const { name, variants } of BASELINES) {
      expect(new Set(variants.map(({ label }) => label)).size, name).toBe(variants.length);
      for (const { label, score } of variants) {
        const scores = score(series);
        expect(scores.length, `${name} ${label}`).toBe(300);
        expect(scores.subarray(200, 290).some(Number.isFinite), `${name} ${label}`).toBe(true);
      }
    }
  });
});
