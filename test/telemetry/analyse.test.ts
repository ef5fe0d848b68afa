import { describe, expect, test } from 'vitest';
import { analyse } from '../../src/telemetry/analyse.ts';
import { toStepAnswer } from '../../src/telemetry/answer.ts';
import { MEASURE_INDEX, type MeasureKey } from '../../src/telemetry/catalogue.ts';
import type { RunHeader } from '../../src/telemetry/sample.ts';
import { testHeader, testSample } from '../support/samples.ts';

const header: RunHeader = testHeader('hc', 2, 2, 1);
const at = (report: ReturnType<typeof analyse>, key: MeasureKey, l: number) => report.measures[MEASURE_INDEX[key] * 2 + l];

describe('two connections worked out by hand', () => {
  // H_0 = [[1, .5], [0, .5]], H_1 = [[2, 0], [0, 1]]; H_1 H_0 = [[2, 1], [0, .5]]
  const mappings = Float32Array.of(1, 0.5, 0, 0.5, 2, 0, 0, 1);
  const grams = Float32Array.of(4, 0, 0, 4, 9, 0, 0, 1);
  const report = analyse(
    header,
    testSample(header, 1, { mappings, grams, inputSquares: Float32Array.of(2, 10), gradientGains: Float32Array.of(1.5, 2.5) }),
  );

  test.each<[MeasureKey, number, number]>([
    ['forwardGain', 1.5, 2],
    ['backwardGain', 1, 2],
    ['compositeForwardGain', 1.5, 3],
    ['compositeBackwardGain', 2, 2],
    ['rowDeviation', 0.5, 1],
    ['columnDeviation', 0, 1],
    ['compositeRowDeviation', 0.5, 2],
    ['compositeColumnDeviation', 0, 1],
    ['negativity', 0, 0],
    ['rowSumMin', 0.5, 1],
    ['columnSumMin', 1, 1],
    ['activationGain', 2, 1],
    ['effectiveRank', 2, 100 / 82],
    ['streamNormRatio', 1, 3],
    ['gradientGain', 1.5, 2.5],
  ])('%s', (key, first, second) => {
    expect(at(report, key, 0)).toBeCloseTo(first, 6);
    expect(at(report, key, 1)).toBeCloseTo(second, 6);
  });

  test('G is the largest of all prefixes and suffixes', () => {
    expect(report.compositeGain).toBe(3);
    expect(at(report, 'logitRange', 0)).toBeNaN();
    expect([...report.mapping]).toEqual([...mappings]);
    expect([...report.nonfinite]).toEqual([0, 0]);
  });
});

test('what is not finite is counted where it is, reaches G, and travels through JSON', () => {
  const sample = testSample(header, 1);
  sample.mappings[0] = Number.POSITIVE_INFINITY;
  sample.mappings[5] = Number.NaN;
  const report = analyse(header, sample);
  expect([...report.nonfinite]).toEqual([1, 1]);
  expect(Number.isFinite(report.compositeGain)).toBe(false);
  const answer = toStepAnswer(header, 1, report);
  expect(JSON.parse(JSON.stringify(answer))).toEqual(answer);
  expect(answer.mapping[0][0]).toBe('+Inf');
  expect(answer.mapping[1][1]).toBe('NaN');
});

test('an array that does not fit the header is named', () => {
  expect(() => analyse(header, testSample(header, 1, { mappings: new Float32Array(7) }))).toThrow(/mappings must hold 8 values .* got 7/);
  expect(() => analyse(header, testSample(header, 1, { gradientGains: new Float32Array(3) }))).toThrow(/gradientGains must hold 2 values/);
});

test('streams that were not observed are no fault; where they become NaN is told, logits that are there are counted', () => {
  const nan = (values: Float32Array, from: number, to: number) => values.map((value, k) => (k >= from && k < to ? Number.NaN : value));
  const sample = testSample(header, 1);
  const counts = (change: Partial<typeof sample>) => [...analyse(header, { ...sample, ...change }).nonfinite];
  const [grams, inputSquares] = [nan(sample.grams!, 4, 8), nan(sample.inputSquares!, 1, 2)];
  expect(counts({ grams, inputSquares })).toEqual([0, 0]);
  expect(counts({ grams })).toEqual([0, 4]);
  expect(counts({ logits: nan(sample.mappings, 0, 4) })).toEqual([0, 0]);
  expect(counts({ logits: nan(sample.mappings, 0, 3) })).toEqual([3, 0]);
});
