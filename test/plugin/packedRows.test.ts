/** What is mostly NaN is deflated in a recording: it is read as it was, whatever its values, and costs what is known of it. */

import { statSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { pack, unpack } from '../../plugin/recorder/blobs.ts';
import { readSteps } from '../../plugin/recorder/read.ts';
import { readSeries } from '../../plugin/recorder/recordedSeries.ts';
import { closeRecording, commitReports, openRecording } from '../../plugin/recorder/write.ts';
import { MEASURES } from '../../src/telemetry/catalogue.ts';
import type { StepReport } from '../../src/telemetry/report.ts';
import { MEMORY_KINDS, type RunHeader } from '../../src/telemetry/sample.ts';
import { temporaryFolder } from '../support/folders.ts';
import { readerOf, unpackFile } from '../support/recorded.ts';
import { testHeader, testReport } from '../support/samples.ts';

const bytes = (values: Float32Array) => Buffer.from(values.buffer, values.byteOffset, values.byteLength);
/** Of any bits: NaNs with a payload, ±Inf, −0 too. */
const array = fc.oneof(
  fc.float32Array(),
  fc.array(fc.constant(Number.NaN)).map((values) => Float32Array.from(values)),
  fc.uint32Array().map((u) => new Float32Array(u.buffer)),
);

test('what was packed is unpacked to the bit, and never to more than was asked', () => {
  fc.assert(
    fc.property(fc.array(array, { maxLength: 3 }), (arrays) => {
      const { packed, blobs } = pack(arrays);
      const values = arrays.reduce((sum, { length }) => sum + length, 0);
      const nans = arrays.reduce((sum, all) => sum + all.filter((value) => Number.isNaN(value)).length, 0);
      expect(packed).toBe(values > 0 && nans >= values / 4 ? 1 : 0);
      arrays.forEach((values, i) => {
        expect(bytes(unpack(blobs[i], packed, values.length)).equals(bytes(values))).toBe(true);
        if (packed === 1 && values.length > 0) expect(() => unpack(blobs[i], packed, values.length - 1)).toThrow(RangeError);
      });
    }),
  );
});

/** Reports of which each knows some of the measures, as of senders that send no matrices. */
const sparseReports = (header: RunHeader) =>
  fc
    .array(fc.record({ gap: fc.integer({ min: 1, max: 700 }), known: fc.array(fc.nat(MEASURES.length - 1)), mapped: fc.boolean() }), {
      minLength: 1,
      maxLength: 30,
    })
    .map((steps) => {
      let step = 0;
      return steps.map(({ gap, known, mapped }): StepReport => {
        step += gap;
        const report = testReport(header, step);
        const layers = header.connections.length;
        const measures = report.measures.map((value, k) => (known.includes(Math.floor(k / layers)) ? value : Number.NaN));
        return { ...report, measures, mapping: mapped ? report.mapping : report.mapping.map(() => Number.NaN) };
      });
    });

test('a recording answers the same as one whose rows are not packed, at every resolution', () => {
  const header = testHeader('hc');
  fc.assert(
    fc.property(sparseReports(header), fc.integer({ min: 1, max: 40 }), fc.nat(MEASURES.length - 1), (reports, points, m) => {
      const ask = (path: string) => {
        const reader = readerOf(path);
        return { steps: [...readSteps(reader)], series: readSeries(reader, { measure: MEASURES[m].key, points }) };
      };
      const recording = openRecording(temporaryFolder(), header, 1000);
      for (const report of reports) commitReports(recording, [report]);
      closeRecording(recording, 'completed', 2000);
      const packed = ask(recording.path);
      expect(packed.steps.map(({ report }) => report)).toEqual(reports.map((report) => ({ ...report, time: Math.round(report.time) })));
      unpackFile(recording.path);
      expect(ask(recording.path)).toEqual(packed);
    }),
    { numRuns: 30 },
  );
});

test('a recording that goes on with its attempt goes on with its packed buckets', () => {
  const header = testHeader('hc');
  const [reports] = fc.sample(sparseReports(header), { numRuns: 1, seed: 7 });
  const inOne = temporaryFolder();
  const inTwo = temporaryFolder();
  const all = openRecording(inOne, header, 1, { source: 'a', key: null, fresh: false });
  commitReports(all, reports);
  closeRecording(all, 'completed', 2);
  for (const report of reports) {
    const part = openRecording(inTwo, header, 1, { source: 'a', key: null, fresh: false });
    commitReports(part, [report]);
    closeRecording(part, 'unknown', 2);
  }
  const rows = (folder: string) => readerOf(`${folder}/hc.sqlite`).db.prepare('SELECT * FROM buckets ORDER BY level, bucket').all();
  expect(rows(inTwo)).toEqual(rows(inOne));
});

test.each([
  [8192, 1],
  [512, 40_000],
])(
  '%d connections of eight streams of which nothing is sent cost no more than twenty times their names, each step %d on',
  (layers, gap) => {
    const header = { ...testHeader('wide', layers, 8), run: 'wide' };
    const nothing = { loss: null, gradientNorm: null, learningRate: null, compositeGain: null };
    const step = (i: number): StepReport => ({
      ...testReport(testHeader('small'), 1 + i * gap),
      ...nothing,
      measures: new Float32Array(MEASURES.length * layers).fill(Number.NaN),
      mapping: new Float32Array(layers * 64).fill(Number.NaN),
      nonfinite: new Float64Array(layers),
      memory: { connections: new Float64Array(MEMORY_KINDS.length * layers).fill(Number.NaN), totals: new Map() },
    });
    const steps = Array.from({ length: 12 }, (_, i) => step(i));
    const recording = openRecording(temporaryFolder(), header, 1);
    commitReports(recording, steps);
    closeRecording(recording, 'completed', 2);
    // As short as a body of JSON can be: a name of three letters, two quotes and a comma.
    const body = steps.length * layers * 6;
    expect(statSync(recording.path).size).toBeLessThan(20 * body);
  },
);
