/** Warnings on their way: from the detectors to recording, sinks, metrics, interface and stream; over restarts; and no harm done. */
import { describe, expect, test, vi } from 'vitest';
import { handleReport as handleReportThere, openRun as openRunThere } from '../../dist/plugin/pipeline/pipeline.js';
import { createMetrics } from '../../plugin/metrics/metrics.ts';
import { DETECTORS } from '../../plugin/pipeline/detection.ts';
import { checkStall, closeRun, handleReport, openRun } from '../../plugin/pipeline/pipeline.ts';
import type { WarningAnswer } from '../../src/telemetry/api.ts';
import { temporaryFolder } from '../support/folders.ts';
import { startPipeline, startRun } from '../support/pipelines.ts';
import { recorded } from '../support/recorded.ts';
import { headerOf, reportOf } from '../support/reports.ts';
import { json, start as serve } from '../support/service.ts';
import { connectStream } from '../support/streamClient.ts';

const header = headerOf('hc');
/** Non-finite at steps 11 to 13: raised at 11, cleared 20 good reports later. */
const given = (step: number) => reportOf(header, step, step > 10 && step < 14 ? { loss: Number.NaN } : {});

describe('a warning', () => {
  test('is raised and cleared once, reaches the sinks at once, and is recorded with what became of it', async () => {
    const { pipeline, warnings, run } = await startRun(header);
    for (let step = 1; step <= 11; step++) handleReport(pipeline, run, given(step));
    expect(warnings).toMatchObject([{ what: 'raised', step: 11, record: { warning: { rule: 'nonfinite', step: 11, value: Number.NaN } } }]);
    vi.advanceTimersByTime(200);
    expect(recorded(pipeline.directory, 'a-run').warnings).toEqual(run.detection.warnings);
    expect(run.detection.warnings[0].clearedTime).toBeNull();
    for (let step = 12; step <= 60; step++) handleReport(pipeline, run, given(step));
    expect(warnings.map(({ what, step }) => [what, step])).toEqual([
      ['raised', 11],
      ['cleared', 33],
    ]);
    closeRun(pipeline, run, 'completed');
    expect(recorded(pipeline.directory, 'a-run').warnings).toMatchObject([{ clearedStep: 33, clearedTime: reportOf(header, 33).time }]);
  });

  test('of a run that goes on after a restart is not raised again', async () => {
    const { pipeline, directory, run } = await startRun(header);
    for (let step = 1; step <= 12; step++) handleReport(pipeline, run, given(step));
    closeRun(pipeline, run, 'interrupted');
    const again = await startRun(header, { directory });
    expect(again.run.detection.warnings).toMatchObject([{ warning: { step: 11, value: Number.NaN }, clearedTime: null }]);
    for (let step = 13; step <= 60; step++) handleReport(again.pipeline, again.run, given(step));
    expect(again.warnings.map(({ what, step }) => [what, step])).toEqual([['cleared', 33]]);
    closeRun(again.pipeline, again.run, 'completed');
    expect(recorded(directory, 'a-run').warnings).toMatchObject([{ clearedStep: 33 }]);
  });

  test('needs the state of the last step, however short before the end it came', async () => {
    const { pipeline, directory, run } = await startRun(header);
    const soon = (step: number) => reportOf(header, step, { time: 5_000_000 + 10 * step });
    for (let step = 1; step <= 10; step++) handleReport(pipeline, run, soon(step));
    vi.advanceTimersByTime(200);
    for (let step = 11; step <= 30; step++) handleReport(pipeline, run, soon(step));
    closeRun(pipeline, run, 'completed');
    expect((await startRun(header, { directory })).run.detection.detectors.step).toBe(30);
  });

  test('of another model of the same name is no longer said to hold', async () => {
    const { pipeline, directory, run } = await startRun(header);
    for (let step = 1; step <= 12; step++) handleReport(pipeline, run, given(step));
    closeRun(pipeline, run, 'interrupted');
    const { detection } = (await startRun(headerOf('mhc'), { directory })).run;
    expect(detection.warnings).toMatchObject([{ warning: { step: 11 }, clearedStep: null, clearedTime: 5_000_000 }]);
    expect(detection.detectors).toMatchObject({ step: 0, active: [] });
  });

  test('is told apart from another of the same rule and severity, over a restart too', async () => {
    // The learning rate is × 4 for a while: 100 and 1000 may come.
    const risen = (step: number) => {
      const calm = step <= 200 || step > 230;
      return reportOf(header, step, { compositeGain: step > 230 ? 2 : 50, learningRate: calm ? 1e-3 : 4e-3 });
    };
    const { pipeline, directory } = await startPipeline();
    const metrics = createMetrics('1.2.3');
    pipeline.sinks.add(metrics.sink);
    const run = openRun(pipeline, header);
    for (let step = 1; step <= 220; step++) handleReport(pipeline, run, risen(step));
    expect(run.detection.warnings.map(({ warning }) => [warning.severity, warning.threshold])).toEqual([
      ['warning', 100],
      ['warning', 1000],
    ]);
    const { body } = await metrics.scrape(undefined);
    expect(body).toContain('mhc_warnings_total{run="a-run",rule="gain-forecast",severity="warning"} 2');
    expect(body.match(/^mhc_warning_active\{/gm)).toHaveLength(1);
    closeRun(pipeline, run, 'interrupted');
    const again = await startRun(header, { directory });
    for (let step = 221; step <= 600; step++) handleReport(again.pipeline, again.run, risen(step));
    expect(again.warnings.map(({ what }) => what)).toEqual(['cleared', 'cleared']);
    expect(new Set(again.warnings.map(({ record }) => record.warning.threshold))).toEqual(new Set([100, 1000]));
    closeRun(again.pipeline, again.run, 'completed');
    const records = recorded(directory, 'a-run').warnings;
    expect(records).toEqual(again.run.detection.warnings);
    // The higher limit is out of sight sooner.
    expect(records[1].clearedStep).toBeLessThan(records[0].clearedStep!);
  });

  test('ends where the run steps back, and can be raised anew', async () => {
    const { pipeline, warnings, run } = await startRun(header);
    for (let step = 1; step <= 12; step++) handleReport(pipeline, run, given(step));
    for (let step = 5; step <= 12; step++) handleReport(pipeline, run, given(step));
    expect(warnings.map(({ what, record }) => [what, record.warning.step, record.clearedStep])).toEqual([
      ['raised', 11, null],
      ['cleared', 11, null],
      ['raised', 11, null],
    ]);
  });

  test('waits for a disk that refuses, and is recorded when it gives way', async () => {
    const { pipeline, warnings, run } = await startRun(header);
    run.recording!.db.pragma('max_page_count = 1');
    for (let step = 1; step <= 40; step++) handleReport(pipeline, run, given(step));
    vi.advanceTimersByTime(1000);
    expect(warnings).toHaveLength(2);
    run.recording!.db.pragma('max_page_count = 100000');
    vi.advanceTimersByTime(10_000);
    expect(recorded(pipeline.directory, 'a-run').warnings).toMatchObject([{ warning: { step: 11 }, clearedStep: 33 }]);
  });
});

test('a run that stands still is warned of by the clock, and recorded without a step', async () => {
  let now = reportOf(header, 30).time;
  const { pipeline, warnings, run } = await startRun(header, { now: () => now });
  for (let step = 1; step <= 30; step++) handleReport(pipeline, run, reportOf(header, step));
  vi.advanceTimersByTime(200);
  checkStall(pipeline, run);
  expect(warnings).toEqual([]);
  now += 3_600_000;
  checkStall(pipeline, run);
  checkStall(pipeline, run);
  expect(warnings).toMatchObject([{ what: 'raised', record: { warning: { rule: 'stalled' } } }]);
  expect(recorded(pipeline.directory, 'a-run').warnings).toHaveLength(1);
});

test('a detector that fails costs its warnings only, and is said once', async () => {
  const detect = () => {
    throw new Error('broken detector');
  };
  const { pipeline, problems, steps, run } = await startRun(header, { detectors: { ...DETECTORS, detect } });
  for (let step = 1; step <= 3; step++) handleReport(pipeline, run, given(step));
  vi.advanceTimersByTime(200);
  expect(steps).toEqual([1, 2, 3]);
  expect(run.errors).toBe(3);
  expect(problems).toEqual([expect.stringMatching(/detectors of a-run failed: broken detector/)]);
});

test('the metrics tell the forecast, what holds, and how often each rule was raised', async () => {
  const { pipeline } = await startPipeline();
  const metrics = createMetrics('1.2.3');
  pipeline.sinks.add(metrics.sink);
  const run = openRun(pipeline, header);
  const lines = async () => (await metrics.scrape(undefined)).body.split('\n').filter((line) => /^mhc_(gain_forecast|warning)/.test(line));
  expect(await lines()).toContain('mhc_warnings_total{run="a-run",rule="nonfinite",severity="critical"} 0');
  for (let step = 1; step <= 11; step++) handleReport(pipeline, run, { ...given(step), compositeGain: 2 + step / 1000 });
  expect(await lines()).toEqual(
    expect.arrayContaining([
      expect.stringMatching(/^mhc_gain_forecast_steps\{run="a-run",threshold="1000"\} \d+/),
      'mhc_warning_active{run="a-run",rule="nonfinite",severity="critical",layer=""} 1',
      'mhc_warnings_total{run="a-run",rule="nonfinite",severity="critical"} 1',
    ]),
  );
  for (let step = 12; step <= 60; step++) handleReport(pipeline, run, given(step));
  const active = async () => (await lines()).filter((line) => line.startsWith('mhc_warning_active'));
  expect(await active()).toEqual([]);
  expect(await lines()).toContain('mhc_gain_forecast_steps{run="a-run",threshold="1000"} +Inf');
  handleReport(pipeline, run, reportOf(header, 61, { loss: Number.NaN }));
  expect(await active()).toHaveLength(1);
  // A run that has ended needs nobody any more, however long its metrics stay.
  closeRun(pipeline, run, 'failed');
  expect(await active()).toEqual([]);
});

test('the interface answers the warnings of a live run and of a recording; the stream sends them', async () => {
  const directory = temporaryFolder();
  const service = await serve({ directory });
  const run = openRunThere(service.pipeline, header);
  const client = await connectStream(service, '?run=a-run');
  const ask = () => json<WarningAnswer[]>(service, 'api/v1/runs/a-run/warnings');
  expect(await ask()).toEqual([]);
  for (let step = 1; step <= 40; step++) handleReportThere(service.pipeline, run, given(step));
  const warnings = await ask();
  expect(warnings).toMatchObject([{ rule: 'nonfinite', run: 'a-run', step: 11, value: 'NaN', active: false, clearedStep: 33 }]);
  expect((await client.events('warning', 2)).map(({ data }) => [data.step, data.active])).toEqual([
    [11, true],
    [11, false],
  ]);
  await service.close();
  const later = await serve({ directory });
  expect(await json(later, 'api/v1/runs/a-run/warnings')).toEqual(warnings);
  expect((await fetch(`${later.url}api/v1/runs/nobody/warnings`)).status).toBe(404);
});
