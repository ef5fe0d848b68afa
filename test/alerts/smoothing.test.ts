/** The arithmetic under the detectors: medians, weighted lines, growth, the learning rate against its mean, the latch. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Finding } from '../../alerts/detector.ts';
import { addGrowth, createGrowth, outliersOf } from '../../alerts/growth.ts';
import { createLatch, updateLatch } from '../../alerts/latch.ts';
import { addRate, createRate, type RateState, rateRise } from '../../alerts/rate.ts';
import { addPoint, addRecent, createLine, fitOf, medianOf } from '../../alerts/smoothing.ts';
import { addToTrend, createTrend, forecast } from '../../alerts/trend.ts';
import type { Warning } from '../../src/telemetry/warning.ts';

const finite = fc.double({ min: -1e3, max: 1e3, noNaN: true });

describe('median', () => {
  it('of odd and even counts', () => {
    expect(medianOf([3, 1, 2])).toBe(2);
    expect(medianOf([4, 1, 2, 3])).toBe(2.5);
    expect(medianOf([])).toBeNaN();
  });

  it('of the last values only', () => {
    const recent: number[] = [];
    const medians = [1, 100, 2, 3, 4].map((value) => {
      addRecent(recent, value, 3);
      return medianOf(recent);
    });
    expect(medians).toEqual([1, 50.5, 2, 3, 3]);
  });
});

describe('exponentially weighted line', () => {
  it('finds a straight line again, whatever the steps', () => {
    fc.assert(
      fc.property(finite, finite, fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 3, maxLength: 200 }), (a, b, gaps) => {
        const line = createLine();
        let step = 0;
        for (const gap of gaps) {
          step += gap;
          addPoint(line, step, a + b * step, 40);
        }
        const { level, slope } = fitOf(line);
        const scale = Math.abs(a) + Math.abs(b) * step + 1;
        expect(Math.abs(level - (a + b * step))).toBeLessThan(1e-6 * scale);
        expect(Math.abs(slope - b)).toBeLessThan(1e-6 * scale);
      }),
    );
  });

  it('is weighted least squares', () => {
    fc.assert(
      fc.property(fc.array(finite, { minLength: 3, maxLength: 30 }), fc.double({ min: 2, max: 100, noNaN: true }), (values, tau) => {
        const line = createLine();
        for (const [i, value] of values.entries()) addPoint(line, i, value, tau);
        const x = values.map((_, i) => i - values.length + 1);
        const w = x.map((age) => Math.exp(age / tau));
        const sum = (of: (i: number) => number) => values.reduce((total, _, i) => total + w[i] * of(i), 0);
        const meanX = sum((i) => x[i]) / sum(() => 1);
        const meanY = sum((i) => values[i]) / sum(() => 1);
        const slope = sum((i) => (x[i] - meanX) * (values[i] - meanY)) / sum((i) => (x[i] - meanX) ** 2);
        const noise = Math.sqrt(sum((i) => (values[i] - meanY - slope * (x[i] - meanX)) ** 2) / sum(() => 1));
        const fit = fitOf(line);
        expect(fit.slope).toBeCloseTo(slope, 6);
        expect(fit.level).toBeCloseTo(meanY - slope * meanX, 6);
        expect(fit.noise).toBeCloseTo(noise, 4);
      }),
    );
  });

  it('has a slope of 0 before the second point', () => {
    const line = createLine();
    addPoint(line, 7, 3, 40);
    expect(fitOf(line)).toMatchObject({ level: 3, slope: 0 });
  });
});

describe('trend', () => {
  const rising = (spike: number) => {
    const trend = createTrend();
    for (let step = 1; step <= 300; step++) addToTrend(trend, step, 0.01 * step + (step === 299 ? spike : 0));
    return trend;
  };

  it('says how many steps are left, with an interval around them', () => {
    const predicted = forecast(rising(0), 5);
    // The median of five lags by two steps.
    expect(predicted?.steps).toBeGreaterThan(199);
    expect(predicted?.steps).toBeLessThan(205);
    expect(predicted?.interval[0]).toBeLessThanOrEqual(predicted?.steps ?? 0);
    expect(predicted?.interval[1]).toBeGreaterThanOrEqual(predicted?.steps ?? 0);
  });

  it('does not see a spike of one step', () => {
    expect(forecast(rising(50), 5)?.peak).toBeCloseTo(forecast(rising(0), 5)?.peak ?? 0, 1);
  });

  it('says nothing before ten points, Infinity when falling, 0 when there', () => {
    const trend = createTrend();
    for (let step = 1; step < 10; step++) addToTrend(trend, step, -step);
    expect(forecast(trend, 5)).toBeNull();
    addToTrend(trend, 10, -10);
    expect(forecast(trend, 5)?.steps).toBe(Number.POSITIVE_INFINITY);
    expect(forecast(trend, -20)?.steps).toBe(0);
  });

  it('leaves out what is not finite', () => {
    const trend = rising(0);
    const before = structuredClone(trend);
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) addToTrend(trend, 301, value);
    expect(trend).toEqual(before);
  });
});

describe('growth', () => {
  it('names the one that grows beyond its peers, and nobody where all grow', () => {
    const alone = createGrowth(6);
    const together = createGrowth(6);
    for (let i = 0; i < 100; i++) {
      addGrowth(alone, [0, 0, 0, i > 50 ? 0.02 * (i - 50) : 0, 0, 0]);
      addGrowth(together, new Array<number>(6).fill(i > 50 ? 0.02 * (i - 50) : 0));
    }
    expect(outliersOf(alone, 0.25, 6).positions).toEqual([3]);
    expect(outliersOf(together, 0.25, 6).positions).toEqual([]);
  });

  it('needs four to speak of peers', () => {
    const few = createGrowth(3);
    for (let i = 0; i < 100; i++) addGrowth(few, [i > 50 ? 1 : 0, 0, 0]);
    expect(outliersOf(few, 0.25, 6).positions).toEqual([]);
  });
});

describe('learning rate', () => {
  /** The rise with a learning rate that is taken in. */
  function riseWith(state: RateState, step: number, learningRate: number | null): number {
    addRate(state, step, learningRate);
    return rateRise(state, learningRate);
  }

  it('is the step up, which fades with a time constant of 500 steps', () => {
    const state = createRate();
    let step = 0;
    for (; step < 5000; step++) riseWith(state, step, 1);
    expect(riseWith(state, step, 3)).toBeCloseTo(2, 1);
    for (const end = step + 500; step < end; step++) riseWith(state, step, 3);
    // mean = 3 − 2/e after 500 steps
    expect(riseWith(state, step, 3)).toBeCloseTo(3 / (3 - 2 / Math.E) - 1, 2);
  });

  it('compares with a mean of all rates so far, each weighted by the steps that it stands for, and by its age', () => {
    const report = fc.record({ gap: fc.integer({ min: 1, max: 1000 }), rate: fc.double({ min: 1e-6, max: 1, noNaN: true }) });
    fc.assert(
      fc.property(fc.array(report, { minLength: 1, maxLength: 50 }), (reports) => {
        const state = createRate();
        const steps = reports.map((_, i) => reports.slice(0, i + 1).reduce((sum, { gap }) => sum + gap, 0));
        const rises = reports.map(({ rate }, i) => riseWith(state, steps[i], rate));
        const weights = reports.map(({ gap }, i) => (1 - Math.exp(-gap / 500)) * Math.exp((steps[i] - steps.at(-1)!) / 500));
        const mean = reports.reduce((sum, { rate }, i) => sum + weights[i] * rate, 0) / weights.reduce((a, b) => a + b);
        expect(rises.at(-1)).toBeCloseTo(reports.at(-1)!.rate / mean - 1, 6);
      }),
    );
  });

  it('leaves a rate that is not told, or is none, out', () => {
    const state = createRate();
    riseWith(state, 1, 1);
    for (const none of [null, Number.NaN, -1, Number.POSITIVE_INFINITY]) expect(riseWith(state, 2, none)).toBe(0);
    expect(riseWith(state, 3, 1)).toBeCloseTo(0, 9);
    expect(riseWith(createRate(), 1, 0)).toBe(0);
  });
});

describe('latch', () => {
  const warning = {} as Warning;
  const run = (letters: string, confirm: number, clear: number, every = 1) => {
    const state = createLatch();
    return [...letters]
      .map((letter, i) => {
        const finding: Finding = letter === '.' ? null : { level: letter === 'f' ? 'fire' : 'hold', warning };
        const changed = updateLatch(state, finding, i * every + 1, { confirm, clear }, () => warning);
        return changed === null ? '-' : state.active === null ? 'C' : 'R';
      })
      .join('');
  };

  it('raises after enough reports in a row and clears after enough quiet ones', () => {
    expect(run('ff.fffff..f....', 3, 3)).toBe('-----R-------C-');
  });

  it('counts in steps, where not every one is watched, but never on one report alone', () => {
    expect(run('ff....', 10, 20, 10)).toBe('-R----');
    expect(run('.ff...', 5, 100, 1000)).toBe('--R---');
    expect(run(`ff${'.'.repeat(12)}`, 10, 20, 10)).toBe('-R---------C--');
    expect(run('f.', 1, 1, 10)).toBe('RC');
  });

  it('holds what is up and raises nothing by holding', () => {
    expect(run('hhhfhhhh..', 1, 2)).toBe('---R-----C');
  });

  it('never raises twice without a clearing between', () => {
    const letters = fc.array(fc.constantFrom('f', 'h', '.'), { maxLength: 200 }).map((list) => list.join(''));
    fc.assert(
      fc.property(letters, fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 }), (text, confirm, clear) => {
        const changes = run(text, confirm, clear).replaceAll('-', '');
        expect(changes).toMatch(/^(RC)*R?$/);
      }),
    );
  });
});
