/** A reduced recording: what comes back of what went in. */
import { brotliCompressSync, brotliDecompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MEASURE_INDEX, MEASURES, type MeasureKey } from '../../src/telemetry/catalogue.ts';
import type { StepReport } from '../../src/telemetry/report.ts';
import type { RunHeader } from '../../src/telemetry/sample.ts';
import { headerOf, reportOf } from '../support/reports.ts';
import { specOf } from '../support/specs.ts';
import { createReducer, decodeReduced, encodeReduced, reportAt } from './reduced.ts';
import { ramp } from './runs.ts';

const SPEC = specOf({
  split: 'held-out',
  depth: 4,
  seed: 7,
  steps: 100,
  warmup: 10,
  ...ramp(10, 20, 5),
  iterations: 2,
  half: true,
  logitStd: 4,
  poison: { step: 5, count: 3 },
  disturbance: { kind: 'b_res', connection: 3, step: 20, size: 1.5 },
});

function encoded(header: RunHeader, reports: readonly StepReport[]): Buffer {
  const reducer = createReducer(SPEC, 'a hash');
  for (const report of reports) reducer.addReport(header, report);
  return encodeReduced(reducer.done());
}

const MHC = headerOf('mhc', 2);
const HC = headerOf('hc', 3);

const SCALARS = ['loss', 'gradientNorm', 'learningRate'] as const;
const isMeasure = (key: MeasureKey | (typeof SCALARS)[number]): key is MeasureKey => key in MEASURE_INDEX;

/** A scalar of the run, or one measure of one connection, through a file and back. */
function through(key: MeasureKey | (typeof SCALARS)[number], values: readonly number[]): number[] {
  const given = (value: number) => (isMeasure(key) ? { measures: { [key]: (l: number) => (l === 1 ? value : 1) } } : { [key]: value });
  const reports = values.map((value, i) => reportOf(MHC, i + 1, given(value)));
  const reduced = decodeReduced(encoded(MHC, reports));
  return values.map((_, i) => {
    const report = reportAt(reduced, i);
    return isMeasure(key) ? report.measures[MEASURE_INDEX[key] * MHC.connections.length + 1] : (report[key] ?? Number.NaN);
  });
}

const positive = (low: number, high: number) =>
  fc.double({ min: Math.log(low), max: Math.log(high), noNaN: true }).map((power) => Math.exp(power));
const special = fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0);
/** Some of them special, in any order: every difference between two codes. */
const mixed = (value: fc.Arbitrary<number>) =>
  fc.array(fc.oneof({ weight: 3, arbitrary: value }, special), { minLength: 1, maxLength: 30 });

function expectWithin(actual: readonly number[], expected: readonly number[], allowed: (value: number) => number): void {
  actual.forEach((value, i) => {
    if (!Number.isFinite(expected[i]) || expected[i] === 0) expect(value === expected[i] ? expected[i] : value).toBe(expected[i]);
    else expect(Math.abs(value - expected[i])).toBeLessThanOrEqual(allowed(expected[i]));
  });
}

describe('a value that went through a recording', () => {
  it.each([
    { keys: ['forwardGain', 'backwardGain', 'compositeForwardGain', 'compositeBackwardGain'], of: positive(1e-6, 1e27), share: 1e-3 },
    { keys: ['separation', 'routingEntropy'], of: positive(1e-30, 1e30), share: 0.008 },
    { keys: ['rowDeviation', 'columnDeviation', 'logitGradient'], of: positive(1e-30, 1e30), share: 0.016 },
    { keys: ['rowSumMin', 'columnSumMin'], of: fc.double({ min: -60, max: 60, noNaN: true }), absolute: 1e-3 },
    { keys: SCALARS, of: positive(1e-12, 1e12), share: 5e-4 },
    { keys: ['logitRange'], of: fc.double({ min: 0.1, max: 2000, noNaN: true }), absolute: 1 / 32 + 1e-3 },
  ] as const)('of $keys is as near as its grid', ({ keys, of, share = 0, absolute = 0 }) => {
    for (const key of keys) {
      const near = (values: number[]) => expectWithin(through(key, values), values, (value) => share * value + absolute);
      fc.assert(fc.property(mixed(of), near));
    }
  });

  it('stays at the end of its scale when it is beyond', () => {
    expect(through('forwardGain', [1e30])[0]).toBeGreaterThan(1e27);
    expect(through('columnSumMin', [-1000])[0]).toBeLessThan(-60);
  });

  it('changes no more when it goes through again', () => {
    fc.assert(
      fc.property(mixed(positive(1e-6, 1e27)), (values) => {
        const file = encoded(
          MHC,
          values.map((value, i) => reportOf(MHC, i + 1, { loss: value, measures: { forwardGain: value, separation: value } })),
        );
        expect(encodeReduced(decodeReduced(file)).equals(file)).toBe(true);
      }),
    );
  });
});

describe('a recording', () => {
  const reports = Array.from({ length: 5 }, (_, i) =>
    reportOf(HC, i + 1, {
      nonfinite: Float64Array.of(0, i, 300 * i),
      measures: { compositeForwardGain: (l) => 10 ** l, compositeBackwardGain: (l) => (l === 0 ? 50 * i : 1) },
    }),
  );
  const reduced = decodeReduced(encoded(HC, reports));

  it('keeps spec, header, text and length', () => {
    expect(reduced.spec).toEqual(SPEC);
    expect(reduced.header).toEqual(HC);
    expect(reduced.text).toBe('a hash');
    expect(reduced.steps).toBe(5);
  });

  it('gives reports with their steps, their counts and G', () => {
    reports.forEach(({ step, nonfinite }, i) => {
      const report = reportAt(reduced, i);
      expect(report.step).toBe(step);
      expect(report.nonfinite).toEqual(nonfinite);
      expect(report.compositeGain! / Math.max(100, 50 * i)).toBeCloseTo(1, 2);
    });
  });

  it('keeps what detectors read of its kind; the rest is not a number', () => {
    const kept = (header: RunHeader) => {
      const everything = Object.fromEntries(MEASURES.map(({ key }) => [key, 1]));
      const report = reportAt(decodeReduced(encoded(header, [reportOf(header, 1, { measures: everything })])), 0);
      const layers = header.connections.length;
      return MEASURES.filter((_, m) => report.measures.subarray(m * layers, (m + 1) * layers).every((value) => value === 1)).map(
        ({ key }) => key,
      );
    };
    const common = [
      'forwardGain',
      'backwardGain',
      'compositeForwardGain',
      'compositeBackwardGain',
      'rowSumMin',
      'columnSumMin',
      'separation',
    ];
    expect(kept(HC)).toEqual(common);
    expect(new Set(kept(MHC))).toEqual(
      new Set([...common, 'rowDeviation', 'columnDeviation', 'logitRange', 'routingEntropy', 'logitGradient']),
    );
  });

  it('takes a scalar that the run did not say as not a number', () => {
    const unsaid = decodeReduced(encoded(HC, [reportOf(HC, 1, { loss: null, gradientNorm: null, learningRate: null })]));
    expect(reportAt(unsaid, 0)).toMatchObject({ loss: Number.NaN, gradientNorm: Number.NaN, learningRate: Number.NaN });
  });

  it('of no step is refused, by name', () => {
    expect(() => createReducer(SPEC, '').done()).toThrow('a-run');
  });

  it('that was cut off, or is of another version, is refused', () => {
    const file = encoded(HC, reports);
    for (const length of [0, 1, file.length >> 1, file.length - 1]) expect(() => decodeReduced(file.subarray(0, length))).toThrow();
    expect(() => decodeReduced(brotliCompressSync('{"version":2}\n'))).toThrow('version 2');
    const raw = brotliDecompressSync(file);
    for (const wrong of [raw.subarray(0, raw.length - 1), Buffer.concat([raw, Buffer.alloc(1)])]) {
      expect(() => decodeReduced(brotliCompressSync(wrong))).toThrow(`its header says ${raw.length}`);
    }
  });
});
