/** Recordings of attempts that get more connections: held against those of the same steps with all connections from the first on. */
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { handleReport, openRun } from '../../plugin/pipeline/pipeline.ts';
import { closeReader, openReader, readSteps } from '../../plugin/recorder/read.ts';
import { readSeries } from '../../plugin/recorder/recordedSeries.ts';
import { closeRecording, commitReports, openRecording } from '../../plugin/recorder/write.ts';
import { analyse } from '../../src/telemetry/analyse.ts';
import { MEASURES } from '../../src/telemetry/catalogue.ts';
import { mergeHeader, mergeListing } from '../../src/telemetry/listing.ts';
import type { RunHeader } from '../../src/telemetry/sample.ts';
import { widenReport } from '../../src/telemetry/widen.ts';
import { temporaryFolder } from '../support/folders.ts';
import { type Ran, ranOf, subsets } from '../support/growing.ts';
import { fillDisk, startPipeline } from '../support/pipelines.ts';
import { recorded } from '../support/recorded.ts';

const owner = () => ({ source: 'a', key: null, fresh: false });
const reportOf = ({ header, sample }: Ran, to: RunHeader) =>
  widenReport(analyse(header, sample), header.connections, to.connections, header.streams);

/** What can be read of a file: steps, and each series in buckets and step by step. */
function contentOf(path: string) {
  const reader = openReader(path);
  try {
    const steps = [...readSteps(reader)];
    const series = MEASURES.flatMap(({ key }) =>
      [1000, 5, 1].map((points) => readSeries(reader, { measure: key, points }, (value) => (Number.isNaN(value) ? 'NaN' : value))),
    );
    return { names: steps[0].header.connections.map(({ name }) => name), reports: steps.map(({ report }) => report), series };
  } finally {
    closeReader(reader);
  }
}

test('law: in any batches, opened anew at any time, and with late steps, it reads as if all had been known from the first', {
  timeout: 120_000,
}, () => {
  const plan = fc.tuple(subsets(8, 40), fc.infiniteStream(fc.nat({ max: 5 })));
  fc.assert(
    fc.property(plan, ([listings, choices]) => {
      const choose = () => choices.next().value as number;
      const ran = listings.map((names, i) => ranOf('grown', 3 * i + 1, names));
      // One in six comes later than the next.
      for (let i = 0; i + 1 < ran.length; i++) if (choose() === 0) [ran[i], ran[i + 1]] = [ran[i + 1], ran[i]];
      const final = ran.map(({ header }) => header).reduce(mergeHeader);
      const [grown, whole] = [temporaryFolder(), temporaryFolder()];
      let header = ran[0].header;
      let recording = openRecording(grown, header, 1, owner());
      for (let at = 0; at < ran.length; ) {
        const batch = ran.slice(at, at + 1 + choose());
        header = batch.map((one) => one.header).reduce(mergeHeader, header);
        commitReports(
          recording,
          batch.map((one) => reportOf(one, header)),
          undefined,
          false,
          { header, selfTest: null },
        );
        at += batch.length;
        if (choose() === 0) {
          closeRecording(recording, 'unknown', 2);
          // As it goes on with a step that has not all of them.
          recording = openRecording(grown, ran[Math.min(at, ran.length - 1)].header, 1, owner());
          ({ header } = recording.listing);
        }
      }
      closeRecording(recording, 'completed', 9);
      const all = openRecording(whole, final, 1, owner());
      for (const one of ran) commitReports(all, [reportOf(one, final)]);
      closeRecording(all, 'completed', 9);
      const [a, b] = [contentOf(recording.path), contentOf(all.path)];
      expect(a.names).toEqual(b.names);
      expect(a.reports).toEqual(b.reports);
      expect(a.series).toEqual(b.series);
      expect(a.reports.map(({ step }) => step)).toEqual(ran.map(({ sample }) => sample.step).sort((x, y) => x - y));
    }),
    { numRuns: 25 },
  );
});

test('what waits while the disk is full is written as of what is known by then; a file that is begun anew too', async () => {
  const steps = [
    ['a', 'c'],
    ['a', 'b', 'c'],
    ['c', 'd'],
    ['a#2', 'b'],
  ].map((names, i) => ranOf('grown', i + 1, names));
  const { pipeline, directory } = await startPipeline();
  const run = openRun(pipeline, steps[0].header, owner());
  const shown: number[] = [];
  pipeline.sinks.add({ onStep: ({ header }, report) => shown.push(header.connections.length - report.nonfinite.length) });
  const send = (ran: Ran) => handleReport(pipeline, run, analyse(ran.header, ran.sample), ran.header);
  const first = send(steps[0]);
  await vi.advanceTimersByTimeAsync(200);
  expect(await first).toBe('committed');
  const { makeRoom } = fillDisk(pipeline, run);
  const others = steps.slice(1).map(send);
  await vi.advanceTimersByTimeAsync(1000);
  expect(run.recordingProblem).not.toBeNull();
  makeRoom();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(await Promise.all(others)).toEqual(['committed', 'committed', 'committed']);
  // Each was shown with as many connections as the run had then.
  expect(shown).toEqual([0, 0, 0, 0]);
  const read = recorded(directory, 'grown');
  const { connections } = steps.map(({ header }) => header).reduce(mergeHeader);
  expect(read.detail?.connections.map(({ name }) => name)).toEqual(connections.map(({ name }) => name));
  read.steps.forEach(({ report, attempt }, i) => {
    expect(attempt).toBe(1);
    const expected = reportOf(steps[i], { ...steps[i].header, connections });
    expect(report.measures).toEqual(expected.measures);
    expect(report.mapping).toEqual(expected.mapping);
  });
});

test('a run of this process that goes back begins its next attempt with all connections, and series go on over both', () => {
  const [one, two, again] = [['a'], ['a', 'b'], ['b']].map((names, i) => ranOf('grown', [1, 2, 2][i], names));
  const header = { ...two.header, connections: mergeListing(one.header.connections, two.header.connections) };
  const recording = openRecording(temporaryFolder(), one.header, 1);
  commitReports(recording, [reportOf(one, one.header)]);
  commitReports(recording, [reportOf(two, header), reportOf(again, header)], undefined, false, { header, selfTest: null });
  closeRecording(recording, 'completed', 9);
  const reader = openReader(recording.path);
  expect([...readSteps(reader)].map(({ attempt, report }) => [attempt, report.step])).toEqual([
    [1, 1],
    [1, 2],
    [2, 2],
  ]);
  const { steps, series } = readSeries(reader, { measure: 'forwardGain' });
  expect([steps, series.map(({ connection, max }) => [connection, max[0] === 1, max[1] === 1])]).toEqual([
    [1, 2],
    [
      ['a', false, true],
      ['b', true, false],
    ],
  ]);
  closeReader(reader);
});
