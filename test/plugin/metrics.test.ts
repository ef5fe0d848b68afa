import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { createMetrics } from '../../plugin/metrics/metrics.ts';
import { closeRun, createPipeline, forgetRun, handleReport, openRun } from '../../plugin/pipeline/pipeline.ts';
import { handleSample } from '../../plugin/worker/handleSample.ts';
import { MEASURES } from '../../src/telemetry/catalogue.ts';
import type { StepSample } from '../../src/telemetry/sample.ts';
import { findPromtool } from '../support/programs.ts';
import { testHeader, testReport, testSample } from '../support/samples.ts';

const header = testHeader('hc');

function start() {
  const pipeline = createPipeline({ directory: '', recorder: null, now: () => 1000, onProblem: () => {} });
  const metrics = createMetrics('1.2.3');
  pipeline.sinks.add(metrics.sink);
  return { pipeline, metrics, run: openRun(pipeline, header) };
}

/** Series of an exposition: value by "name{labels}". */
async function scrape(metrics: ReturnType<typeof createMetrics>, accept?: string): Promise<Map<string, number>> {
  const { body } = await metrics.scrape(accept);
  const lines = body.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1).replace('+Inf', 'Infinity'))]),
  );
}

test('the gauges are those of the last report, and counters start at 0', async () => {
  const { pipeline, metrics, run } = start();
  const before = await scrape(metrics);
  expect(before.get('mhc_training_steps_total{run="hc"}')).toBe(0);
  expect(before.get('mhc_monitor_errors_total{run="hc"}')).toBe(0);
  expect(before.get('mhc_nonfinite_values_total{run="hc",layer="block0.mlp"}')).toBe(0);
  expect(before.get('mhc_build_info{version="1.2.3"}')).toBe(1);
  const report = testReport(header, 7);
  handleReport(pipeline, run, report);
  const series = await scrape(metrics);
  MEASURES.forEach(({ metric }, m) => {
    const value = report.measures[m * 3 + 1];
    expect(series.get(`${metric}{run="hc",layer="block0.mlp"}`), metric).toEqual(Number.isNaN(value) ? undefined : value);
  });
  expect(series.get('mhc_training_steps_total{run="hc"}')).toBe(7);
  expect(series.get('mhc_composite_gain_ratio{run="hc"}')).toBe(report.compositeGain);
  expect(series.get('mhc_training_loss{run="hc"}')).toBe(report.loss);
  expect(series.get('mhc_training_last_step_timestamp_seconds{run="hc"}')).toBe(report.time / 1000);
  expect(series.get('mhc_layer_memory_bytes{run="hc",layer="block0.mlp",kind="activations"}')).toBe(1004);
  expect(series.get('mhc_training_memory_bytes{run="hc",kind="allocated"}')).toBe(12345);
  expect(series.get('mhc_layer_info{run="hc",layer="block1.attention",kind="hc",streams="2",convention="",bounded="",index="2"}')).toBe(1);
  expect(series.get('mhc_training_step_seconds_count{run="hc"}')).toBe(1);
  expect(series.has('mhc_run_outcome{run="hc",outcome="completed"}')).toBe(false);
});

test('steps are counted from their numbers, and a step back never takes any away', async () => {
  const { pipeline, metrics, run } = start();
  for (const step of [10, 20, 5, 15]) handleReport(pipeline, run, testReport(header, step));
  expect((await scrape(metrics)).get('mhc_training_steps_total{run="hc"}')).toBe(10 + 10 + 1 + 10);
});

test('a value that is not finite is shown where it is and counted; one that is undefined is absent', async () => {
  const { pipeline, metrics, run } = start();
  const broken = testSample(header, 1);
  broken.mappings[16] = Number.NaN; // connection 1
  handleSample(pipeline, run, broken);
  const series = await scrape(metrics);
  expect(series.get('mhc_layer_forward_gain_ratio{run="hc",layer="block0.mlp"}')).toBeNaN();
  expect(series.get('mhc_layer_forward_gain_ratio{run="hc",layer="block0.attention"}')).toBeGreaterThan(1);
  expect(series.get('mhc_nonfinite_values_total{run="hc",layer="block0.mlp"}')).toBe(1);
  expect(series.has('mhc_layer_gradient_gain_ratio{run="hc",layer="block0.attention"}')).toBe(false);
});

test('after the linger time nothing of a run is left but its outcome, in both formats', async () => {
  const { pipeline, metrics, run } = start();
  handleReport(pipeline, run, testReport(header, 1));
  closeRun(pipeline, run, 'failed');
  expect((await scrape(metrics)).get('mhc_run_outcome{run="hc",outcome="failed"}')).toBe(1);
  expect((await scrape(metrics)).has('mhc_training_loss{run="hc"}')).toBe(true);
  forgetRun(pipeline, run);
  for (const accept of [undefined, 'application/openmetrics-text']) {
    const left = [...(await scrape(metrics, accept)).keys()].filter((key) => key.includes('run="hc"'));
    expect(left).toEqual(['mhc_run_outcome{run="hc",outcome="failed"}']);
  }
});

test('of more connections than one can wait for, the largest runs keep only what is theirs as a whole', async () => {
  const { pipeline, metrics } = start();
  for (const [name, layers] of [
    ['huge', 8000],
    ['large', 1500],
  ] as const) {
    const connections = Array.from({ length: layers }, (_, l) => ({ name: `c${l}`, kind: 'hc' as const, convention: null }));
    openRun(pipeline, { ...header, run: name, connections });
  }
  const [series, again] = await Promise.all([scrape(metrics), scrape(metrics)]);
  const infos = (run: string) => [...series.keys()].filter((key) => key.startsWith(`mhc_layer_info{run="${run}"`)).length;
  expect(['hc', 'large', 'huge'].map(infos)).toEqual([3, 1500, 0]);
  expect(series.get('mhc_training_steps_total{run="huge"}')).toBe(0);
  expect(again.size).toBe(series.size);
});

describe('formats', () => {
  const startFilled = () => {
    const { pipeline, metrics, run } = start();
    const full: Partial<StepSample> = { logits: new Float32Array(48).fill(1), gradientGains: new Float32Array(3).fill(1) };
    handleReport(pipeline, run, testReport(header, 1, full));
    closeRun(pipeline, run, 'completed');
    return metrics;
  };

  test('OpenMetrics where it is asked for, with the same series', async () => {
    const metrics = startFilled();
    const open = await metrics.scrape('application/openmetrics-text;version=1.0.0,text/plain;q=0.5');
    expect(open.contentType).toMatch(/^application\/openmetrics-text; version=1.0.0/);
    expect(open.body.trimEnd().endsWith('# EOF')).toBe(true);
    expect(open.body).toContain('# TYPE mhc_training_steps counter');
    const text = await metrics.scrape('text/plain');
    expect(text.contentType).toMatch(/^text\/plain; version=0.0.4/);
    expect([...(await scrape(metrics, 'application/openmetrics-text')).keys()].sort()).toEqual([...(await scrape(metrics)).keys()].sort());
  });

  const promtool = findPromtool();
  test.skipIf(promtool === null)('promtool check metrics has nothing to say', async () => {
    const { body } = await startFilled().scrape(undefined);
    const output = execFileSync(promtool!, ['check', 'metrics'], { input: body, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] });
    expect(output).toBe('');
  });
});
