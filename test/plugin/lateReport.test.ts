/** Reports that come when there is no place for them any more: after the end of the run, or behind too many that wait. */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { acknowledge, closeRun, handleReport } from '../../plugin/pipeline/pipeline.ts';
import { removeRecording } from '../../plugin/recorder/removeRecordings.ts';
import { temporaryFolder } from '../support/folders.ts';
import { fillDisk, startRun } from '../support/pipelines.ts';
import { reportOf } from '../support/reports.ts';
import { testHeader } from '../support/samples.ts';
import { stepsIn } from '../support/stored.ts';

const header = testHeader('sent', 2);

test('a report after the end opens no recording', async () => {
  const { pipeline, run, directory, steps } = await startRun(header, {}, { source: 'a', key: null, fresh: false });
  void handleReport(pipeline, run, reportOf(header, 1, {}));
  closeRun(pipeline, run, 'completed');
  const late = handleReport(pipeline, run, reportOf(header, 2, {}));
  await vi.advanceTimersByTimeAsync(10_000);
  expect(await late).toBe('dropped');
  expect([run.recording, steps, stepsIn(directory)]).toEqual([null, [1], [1]]);
  expect(pipeline.recorder!.readSentRun(directory, 'sent')).toMatchObject({ outcome: 'completed' });
});

test.each([
  [true, 10],
  [false, 0],
])('what is given up is counted where no sender has it still (made here: %s)', async (isHere, dropped) => {
  const { pipeline, run } = await startRun(header, {}, { source: 'a', key: null, isHere, fresh: false });
  fillDisk(pipeline, run);
  for (let step = 1; step <= 5010; step++) void handleReport(pipeline, run, reportOf(header, step, {}));
  expect(run.dropped).toBe(dropped);
});

test('the removal of a recording that is gone makes none', () => {
  const path = join(temporaryFolder(), 'gone.sqlite');
  expect(removeRecording(path, () => true)).toBe(false);
  expect(existsSync(path)).toBe(false);
});

test('an acknowledgement after the end, where the recording is gone, begins no other', async () => {
  const { pipeline, run, directory } = await startRun(header);
  void handleReport(pipeline, run, reportOf(header, 1, { loss: Number.NaN, nonfinite: Float64Array.of(1, 1) }));
  await vi.advanceTimersByTimeAsync(200);
  const record = run.detection.warnings[0];
  expect(record).toBeDefined();
  closeRun(pipeline, run, 'completed');
  rmSync(join(directory, 'sent.sqlite'));
  expect(acknowledge(pipeline, run, record)).toBe(true);
  expect(record.acknowledgedTime).not.toBeNull();
  expect([run.recording, existsSync(join(directory, 'sent.sqlite'))]).toEqual([null, false]);
});
