import { describe, expect, test, vi } from 'vitest';
import { closeRun, handleReport, openRun, type Pipeline } from '../../plugin/pipeline/pipeline.ts';
import { handleSample } from '../../plugin/worker/handleSample.ts';
import { fillDisk, startRun } from '../support/pipelines.ts';
import { recorded } from '../support/recorded.ts';
import { testHeader, testReport, testSample } from '../support/samples.ts';

const header = testHeader('hc');
const recordedSteps = ({ directory }: Pipeline) => recorded(directory, 'hc').steps.map(({ report }) => report.step);

test('a report reaches the sinks within 200 ms, after its commit', async () => {
  const { pipeline, steps, run } = await startRun(header);
  handleSample(pipeline, run, testSample(header, 1));
  handleSample(pipeline, run, testSample(header, 2));
  expect(steps).toEqual([]);
  vi.advanceTimersByTime(200);
  expect(steps).toEqual([1, 2]);
  expect(recordedSteps(pipeline)).toEqual([1, 2]);
  handleSample(pipeline, run, testSample(header, 3));
  closeRun(pipeline, run, 'completed');
  expect(recordedSteps(pipeline)).toEqual([1, 2, 3]);
  expect(run.recording).toBeNull();
});

describe('a disk that refuses', () => {
  test('costs nothing that is shown, is counted and said once, and what waited is written when it gives way', async () => {
    const { pipeline, problems, steps, run } = await startRun(header);
    const disk = fillDisk(pipeline, run);
    for (let step = 1; step <= 300; step++) {
      handleReport(pipeline, run, testReport(header, step));
      vi.advanceTimersByTime(50);
    }
    expect(steps).toEqual(Array.from({ length: 300 }, (_, i) => i + 1)); // none waits for the disk
    expect(run.errors).toBeGreaterThan(1);
    expect(problems).toHaveLength(1);
    expect(run.recordingProblem).toMatch(/full/);
    expect(problems[0]).toMatch(/hc\.sqlite .*could not be written, trying again: .*full/);
    disk.makeRoom();
    vi.advanceTimersByTime(6000);
    expect(steps).toEqual(Array.from({ length: 300 }, (_, i) => i + 1));
    expect(recordedSteps(pipeline)).toEqual(steps);
    expect([run.recordingProblem, problems.at(-1)]).toEqual([null, 'hc is recorded again']);
    closeRun(pipeline, run, 'completed');
  });

  test('that comes back, or lasts, is said again: once an hour', async () => {
    let clock = 0;
    const { pipeline, problems, run } = await startRun(header, { monotonic: () => clock });
    const said = () => problems.filter((line) => line.includes('could not be written')).length;
    let step = 0;
    const pass = (minutes: number) => {
      for (let i = 0; i < minutes; i++) {
        handleReport(pipeline, run, testReport(header, ++step));
        vi.advanceTimersByTime(60_000);
        clock += 60_000;
      }
    };
    const night = fillDisk(pipeline, run);
    pass(40);
    expect(said()).toBe(1);
    night.makeRoom();
    pass(25);
    expect([said(), problems.at(-1)]).toEqual([1, 'hc is recorded again']);
    const next = fillDisk(pipeline, run);
    pass(40);
    expect(said()).toBe(2);
    next.makeRoom();
    closeRun(pipeline, run, 'completed');
  });

  test('to the end: the loss is said', async () => {
    const { pipeline, problems, run } = await startRun(header);
    fillDisk(pipeline, run);
    const committed = Array.from({ length: 100 }, (_, i) => handleReport(pipeline, run, testReport(header, i + 1)));
    vi.advanceTimersByTime(200);
    closeRun(pipeline, run, 'completed');
    expect(new Set(await Promise.all(committed))).toEqual(new Set(['dropped']));
    expect(problems.at(-1)).toBe('100 steps of hc could not be recorded');
    expect(run.dropped).toBe(100);
  });
});

test('a report that nobody records says so', async () => {
  const { pipeline, run } = await startRun(header, { recorder: null });
  expect(await handleReport(pipeline, run, testReport(header, 1))).toBe('unrecorded');
});

test('without a recorder everything is shown at once', async () => {
  const { pipeline, steps, run } = await startRun(header, { recorder: null });
  handleSample(pipeline, run, testSample(header, 1));
  expect(steps).toEqual([1]);
  expect(run.recording).toBeNull();
});

test('a gain that is no number is not the largest, and forgets none', async () => {
  const { pipeline, run } = await startRun(header, { recorder: null });
  const largest = [Number.NaN, 7, Number.NaN, 2].map((compositeGain, i) => {
    handleReport(pipeline, run, { ...testReport(header, i + 1), compositeGain });
    return run.maxCompositeGain;
  });
  expect(largest).toEqual([Number.NaN, 7, 7, 7]);
});

test('a sample that does not fit, and a sink that throws, are counted; the next step goes through', async () => {
  const { pipeline, problems, steps, run } = await startRun(header, { recorder: null });
  handleSample(pipeline, run, testSample(header, 1, { mappings: new Float32Array(5) }));
  pipeline.sinks.add({
    onStep: () => {
      throw new Error('broken sink');
    },
  });
  handleSample(pipeline, run, testSample(header, 2));
  handleSample(pipeline, run, testSample(header, 3));
  expect(steps).toEqual([2, 3]);
  expect(run.errors).toBe(3);
  expect(problems).toEqual([expect.stringMatching(/step 1 of hc .*mappings must hold 48 values/), expect.stringMatching(/broken sink/)]);
});

test('the same name twice at once is refused; after its end it goes on as a new attempt', async () => {
  const { pipeline, run } = await startRun(header);
  expect(() => openRun(pipeline, header)).toThrow(/run hc is being watched/);
  closeRun(pipeline, run, 'completed');
  expect(openRun(pipeline, header).attempt).toBe(2);
});
