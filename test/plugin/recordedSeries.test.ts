/** Series of a recording: reduced by minimum and maximum, from steps and from the buckets of every level. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readSeries } from '../../plugin/recorder/recordedSeries.ts';
import { fromWire } from '../../src/telemetry/wire.ts';
import { temporaryFolder } from '../support/folders.ts';
import { brokenMappings, changeRecording, readerOf, record, reports } from '../support/recorded.ts';
import { testHeader, testReport } from '../support/samples.ts';

const header = testHeader('hc');

test('law: a reduced series has the minimum and maximum of the steps it stands for, however they were committed', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 120 }),
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 50 }),
      (numbers, batch, points) => {
        const sorted = numbers.sort((a, b) => a - b);
        const lossAt = (step: number) => (step % 7 === 0 ? Number.NaN : step % 3 === 0 ? null : Math.sin(step));
        const written = sorted.map((step) => testReport(header, step, { loss: lossAt(step) }));
        const batches = Array.from({ length: Math.ceil(written.length / batch) }, (_, i) => written.slice(i * batch, (i + 1) * batch));
        const reader = readerOf(record(temporaryFolder(), batches));
        const answer = readSeries(reader, { measure: 'loss', points });
        const columns = readSeries(reader, { measure: 'columnDeviation', points });
        expect(answer.steps.length).toBeLessThanOrEqual(points + 1);
        expect(columns.steps).toEqual(answer.steps);
        answer.steps.forEach((first, i) => {
          const end = answer.steps[i + 1] ?? Number.POSITIVE_INFINITY;
          const losses = written.filter((r) => r.step >= first && r.step < end).flatMap((r) => r.loss ?? []);
          const finite = losses.filter((v) => !Number.isNaN(v));
          const low = finite.length > 0 ? Math.min(...finite) : Number.NaN;
          const [min, max] = [answer.series[0].min[i], answer.series[0].max[i]];
          expect(min === null ? null : fromWire(min)).toBe(losses.length > 0 ? low : null);
          expect(max === null ? null : fromWire(max)).toBe(losses.length > 0 ? Math.max(...losses) : null);
        });
      },
    ),
    { numRuns: 15 },
  );
});

describe('a reduced series', () => {
  const lossOf = (path: string, points: number) => {
    const { bucket, series } = readSeries(readerOf(path), { measure: 'loss', points });
    return { bucket, min: series[0].min, max: series[0].max };
  };
  /** Steps 8 to 71 with these losses, else none known. */
  const withLosses = (losses: Record<number, number>) =>
    record(temporaryFolder(), [Array.from({ length: 64 }, (_, i) => testReport(header, 8 + i, { loss: losses[8 + i] ?? null }))]);

  test('leaves out what is not known, shows one NaN as the maximum, and keeps infinities', () => {
    const { NaN: nan, POSITIVE_INFINITY: up, NEGATIVE_INFINITY: down } = Number;
    const path = withLosses({ 10: 3, 20: 4, 23: nan, 30: nan, 34: up, 40: down, 42: nan, 50: 5, 51: up });
    const steps = lossOf(path, 1000);
    expect(steps.bucket).toBe(1);
    expect(steps.min.slice(0, 16)).toEqual([null, null, 3, ...new Array(9).fill(null), 4, null, null, 'NaN']);
    expect(steps.max).toEqual(steps.min);
    const eight = {
      bucket: 8,
      min: [3, 4, 'NaN', '+Inf', '-Inf', 5, null, null],
      max: [3, 'NaN', 'NaN', '+Inf', 'NaN', '+Inf', null, null],
    };
    expect(lossOf(path, 8)).toEqual(eight); // from the buckets of level 1
    expect(lossOf(path, 10)).toEqual({
      bucket: 7, // from steps
      min: [3, 4, 'NaN', '+Inf', '-Inf', 'NaN', 5, null, null, null],
      max: [3, 4, 'NaN', 'NaN', '-Inf', 'NaN', '+Inf', null, null, null],
    });
    expect(lossOf(path, 4)).toEqual({ bucket: 16, min: [3, 4, '-Inf', 5, null], max: [3, 'NaN', 'NaN', '+Inf', null] });
    expect(lossOf(withLosses({ 10: 3, 50: 5 }), 1)).toEqual({ bucket: 64, min: [3, null], max: [5, null] });
  });

  test('of an older recording has NaN where nothing was known, as it was written', () => {
    const path = withLosses({ 10: 3 });
    const nothing = `x'${Buffer.from(new Float64Array(5).fill(Number.NaN).buffer).toString('hex')}'`;
    changeRecording(path, `UPDATE buckets SET scalars_min = ${nothing}, scalars_max = ${nothing} WHERE first_step > 8`);
    expect(lossOf(path, 8)).toEqual({ bucket: 8, min: [3, ...new Array(7).fill('NaN')], max: [3, ...new Array(7).fill('NaN')] });
  });

  test('of a measure is NaN as a minimum only where no step has it', () => {
    const broken = testReport(header, 20, { mappings: brokenMappings() });
    const written = reports(8, 71).map((report) => (report.step === 20 ? broken : report));
    const reader = readerOf(record(temporaryFolder(), [written]));
    const [first, second] = readSeries(reader, { measure: 'columnDeviation', points: 8 }).series;
    const lacking = readSeries(reader, { measure: 'logitRange', points: 8 }).series[0];
    expect(first.min.every((value) => typeof value === 'number')).toBe(true);
    expect(first.max.map((value) => value === 'NaN')).toEqual([false, true, ...new Array(6).fill(false)]);
    expect(second.max).not.toContain('NaN');
    expect([...lacking.min, ...lacking.max]).toEqual(new Array(16).fill('NaN'));
  });
});
