/** Recordings and states of detectors that an earlier version left: read, gone on with, and where they cannot be, said. */
import { expect, test, vi } from 'vitest';
import { closeRun, handleReport } from '../../plugin/pipeline/pipeline.ts';
import { readLatest } from '../../plugin/recorder/read.ts';
import { readSeries } from '../../plugin/recorder/recordedSeries.ts';
import { MEASURES } from '../../src/telemetry/catalogue.ts';
import { startRun } from '../support/pipelines.ts';
import { readerOf, recorded, unpackRows } from '../support/recorded.ts';
import { headerOf, reportOf } from '../support/reports.ts';
import { asVersion } from '../support/uploads.ts';

const header = headerOf('hc');

test('a recording of schema version 1 with fewer measures is read as it is, and brought up when it is written', async () => {
  const { pipeline, directory, run } = await startRun(header);
  for (let step = 1; step <= 20; step++) handleReport(pipeline, run, reportOf(header, step));
  vi.advanceTimersByTime(200);
  const { db } = run.recording!;
  // As an earlier gainwatch left it: the first measure missing, no tables of warnings.
  const layers = header.connections.length;
  const kept = JSON.stringify(MEASURES.slice(1).map(({ key }) => key));
  const cut = 4 * layers + 1;
  db.prepare('UPDATE attempts SET measures = ?').run(kept);
  unpackRows(db);
  db.exec(`UPDATE steps SET measures = substr(measures, ${cut});
    UPDATE buckets SET measures_min = substr(measures_min, ${cut}), measures_max = substr(measures_max, ${cut});
    ${asVersion(1)}`);
  db.close();

  expect(recorded(directory, 'a-run').warnings).toEqual([]);
  const reader = readerOf(`${directory}/a-run.sqlite`);
  const { report } = readLatest(reader)!;
  expect(report.measures).toHaveLength(MEASURES.length * layers);
  expect(Array.from(report.measures.slice(0, layers))).toEqual(new Array(layers).fill(Number.NaN));
  expect(report.measures[layers]).toBeCloseTo(1.05, 6);
  expect(readSeries(reader, { measure: 'forwardGain' }).steps).toEqual([]);
  expect(readSeries(reader, { measure: 'backwardGain', points: 2 }).series[0].max[0]).toBeCloseTo(1.05, 6);

  const again = await startRun(header, { directory });
  expect(again.problems).toEqual([]);
  for (let step = 1; step <= 12; step++)
    handleReport(again.pipeline, again.run, reportOf(header, step, step === 11 ? { loss: Number.NaN } : {}));
  closeRun(again.pipeline, again.run, 'completed');
  expect(recorded(directory, 'a-run').warnings).toMatchObject([{ warning: { step: 11 } }]);
});

test.each([
  ['{"version":1}', /^the detectors of run a-run begin anew, as what they knew was recorded by another version of gainwatch/],
  ['none', /^the detectors of run a-run begin anew, as what they knew is damaged/],
])('detectors whose state is %s begin anew, which is said, and the warnings that held end', async (state, message) => {
  const { pipeline, directory, run } = await startRun(header);
  for (let step = 1; step <= 12; step++) handleReport(pipeline, run, reportOf(header, step, { loss: step > 10 ? Number.NaN : 3 }));
  vi.advanceTimersByTime(200);
  run.recording!.db.prepare('UPDATE detectors SET state = ?').run(state);
  run.recording!.db.close();
  const again = await startRun(header, { directory });
  const { detection } = again.run;
  expect(detection.detectors).toMatchObject({ step: 0, active: [] });
  expect(detection.warnings).toMatchObject([{ warning: { step: 11 }, clearedStep: null, clearedTime: 5_000_000 }]);
  expect(again.problems).toEqual([expect.stringMatching(message)]);
});
