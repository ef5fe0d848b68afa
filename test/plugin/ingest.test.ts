import { describe, expect, test } from 'vitest';
import { handlePart } from '../../plugin/ingest/handlePart.ts';
import { closeRank, createIngest, sweep } from '../../plugin/ingest/lifecycle.ts';
import { reduce } from '../../plugin/ingest/reduce.ts';
import { createPipeline } from '../../plugin/pipeline/pipeline.ts';
import { recordingPath } from '../../plugin/recorder/directory.ts';
import { requireRecorder } from '../../plugin/recorder/loadRecorder.ts';
import { decodeMatrices } from '../../plugin/wire/decodeMatrices.ts';
import { compileSchemas } from '../../plugin/wire/schema.ts';
import { analyse } from '../../src/telemetry/analyse.ts';
import type { RunDetail, StepAnswer } from '../../src/telemetry/api.ts';
import { MEASURES, type MeasureKey } from '../../src/telemetry/catalogue.ts';
import type { StepReport } from '../../src/telemetry/report.ts';
import { fromWire } from '../../src/telemetry/wire.ts';
import { temporaryFolder } from '../support/folders.ts';
import { testHeader, testReport, testSample } from '../support/samples.ts';
import { ask, json, start } from '../support/service.ts';
import { bodyOf, partOf, send, sendJson, sendSteps } from '../support/wire.ts';

const header = testHeader('sent', 6, 4, 8);
const latest = (service: Parameters<typeof json>[0], run = 'sent') => json<StepAnswer>(service, `api/v1/runs/${run}/steps/latest`);

/** Does the answer have the measures of the report, to the digits that it has? */
function expectMeasures(answer: StepAnswer, report: StepReport, without: readonly MeasureKey[] = []): void {
  const layers = report.nonfinite.length;
  MEASURES.forEach(({ key }, m) => {
    const values = answer.measures[key].map(fromWire);
    const expected = [...report.measures.subarray(m * layers, (m + 1) * layers)];
    if (without.includes(key)) expected.fill(Number.NaN);
    // Float32 on the way, and eight digits in the answer.
    const close = expected.map((value) => (Number.isNaN(value) ? value : expect.closeTo(value, 5)));
    expect(values, key).toEqual(close);
  });
}

const OVER_DEPTH = [
  'compositeForwardGain',
  'compositeBackwardGain',
  'compositeRowDeviation',
  'compositeColumnDeviation',
  'separation',
] as const;

describe('a run of one rank', () => {
  test('has the measures that its matrices have here, its scalars and its memory', async () => {
    const service = await start();
    const samples = [1, 2, 3].map((step) => testSample(header, step));
    const sent = await sendSteps(
      service,
      'sent',
      samples.map((sample) => bodyOf(header, sample)),
    );
    expect(sent).toMatchObject({ status: 200, answer: { accepted: 3, duplicates: 0, late: 0, warnings: [] } });
    const answer = await latest(service);
    const report = analyse(header, samples[2]);
    expectMeasures(answer, report);
    expect(answer).toMatchObject({ step: 3, loss: samples[2].loss, learningRate: 1e-3, compositeGain: report.compositeGain });
    expect(answer.memory?.totals).toEqual({ allocated: 12345, parameters: 400 });
    expect(answer.memory?.connections.parameters).toEqual([1000, 1001, 1002, 1003, 1004, 1005]);
    expect(sent.answer['composite_gain']).toBe(report.compositeGain);
  });

  test('comb is transposed', async () => {
    const service = await start();
    const sample = testSample(header, 1);
    const size = 16;
    const transposed = Float32Array.from(sample.mappings, (_, k) => {
      const [at, i, j] = [k - (k % size), Math.floor((k % size) / 4), k % 4];
      return sample.mappings[at + j * 4 + i];
    });
    await sendSteps(service, 'sent', [bodyOf(header, { ...sample, mappings: transposed }, { orientation: 'comb' })]);
    expectMeasures(await latest(service), analyse(header, sample));
  });

  test('is acknowledged once it is in the recording, and a step is taken once', async () => {
    const service = await start();
    const bodies = [1, 2].map((step) => bodyOf(header, testSample(header, step)));
    await sendSteps(service, 'sent', bodies);
    const recorder = await requireRecorder();
    const reader = recorder.openReader(recordingPath(service.pipeline.directory, 'sent'));
    expect([...recorder.readSteps(reader)].map(({ report }) => report.step)).toEqual([1, 2]);
    recorder.closeReader(reader);
    const again = await sendSteps(service, 'sent', [...bodies, bodyOf(header, testSample(header, 3))]);
    expect(again.answer).toMatchObject({ accepted: 1, duplicates: 2, late: 0 });
    const { body } = await ask(service, '/metrics');
    expect(body).toContain('mhc_training_steps_total{run="sent"} 3');
    expect(body).toContain('mhc_ingest_records_total{run="sent",result="duplicates"} 2');
  });

  test('goes on in the same attempt after the monitor was started anew', async () => {
    const directory = temporaryFolder();
    const first = await start({ directory });
    const bodies = Array.from({ length: 20 }, (_, i) => bodyOf(header, testSample(header, i + 1)));
    await sendSteps(first, 'sent', bodies.slice(0, 12));
    await first.close();
    const second = await start({ directory });
    const sent = await sendSteps(second, 'sent', bodies.slice(9));
    expect(sent.answer).toMatchObject({ accepted: 8, duplicates: 3, late: 0 });
    expect(await json<RunDetail>(second, 'api/v1/runs/sent')).toMatchObject({ attempt: 1, live: true, lastStep: 20 });
    const series = await json<{ steps: number[] }>(second, 'api/v1/runs/sent/series?measure=loss&points=2');
    expect(series.steps[0]).toBe(1);
  });

  test('of which nothing was heard for an hour has ended, and goes on in the same attempt with its next step', async () => {
    let now = Date.now();
    const recorder = await requireRecorder();
    const pipeline = createPipeline({
      directory: temporaryFolder(),
      recorder,
      now: () => now,
      onProblem: (message) => expect.fail(message),
    });
    const ingest = createIngest(pipeline);
    const schemas = compileSchemas();
    const take = async (step: number) => {
      const { result, committed } = handlePart(ingest, 'sent', decodeMatrices(schemas, bodyOf(header, testSample(header, step)), now));
      return { result, committed: await committed };
    };
    await take(1);
    now += 3_600_001;
    sweep(ingest);
    expect(pipeline.live.get('sent')).toMatchObject({ outcome: 'unknown' });
    expect(await take(1)).toEqual({ result: 'duplicates', committed: 'committed' });
    expect(await take(2)).toEqual({ result: 'accepted', committed: 'committed' });
    expect(pipeline.live.get('sent')).toMatchObject({ attempt: 1, outcome: null, last: { step: 2 } });
    closeRank(ingest, 'sent', { attempt: 'first', rank: 0, worldSize: 1, stage: 0, stages: 1, replica: null }, 'completed');
    expect(await take(3)).toEqual({ result: 'late', committed: 'committed' });
    now += 60_001;
    sweep(ingest);
    expect([ingest.runs.size, pipeline.live.size]).toEqual([0, 0]);
  });

  test('begins a new attempt by its name, or by a step back where it has none; the counter of steps never goes down', async () => {
    const service = await start();
    const attemptOf = async () => (await json<RunDetail>(service, 'api/v1/runs/sent')).attempt;
    const steps = async () => Number(/mhc_training_steps_total\{run="sent"\} (\d+)/.exec((await ask(service, '/metrics')).body)?.[1]);
    await sendSteps(
      service,
      'sent',
      [5, 6, 7].map((step) => bodyOf(header, testSample(header, step), {}, 'a')),
    );
    expect(await attemptOf()).toBe(1);
    expect(await steps()).toBe(7);
    await sendSteps(
      service,
      'sent',
      [6, 7].map((step) => bodyOf(header, testSample(header, step), {}, 'b')),
    );
    expect(await attemptOf()).toBe(2);
    expect(await steps()).toBe(9);
    const late = await sendSteps(service, 'sent', [bodyOf(header, testSample(header, 8), {}, 'a')]);
    expect(late.answer).toMatchObject({ accepted: 0, late: 1 });

    const plain = (step: number) => sendJson(service, 'plain', { step, order: ['a'], measures: { forwardGain: [step] } });
    for (const step of [1, 2, 3, 3, 2, 3]) await plain(step);
    expect(await json<RunDetail>(service, 'api/v1/runs/plain')).toMatchObject({ attempt: 2, lastStep: 3 });
  });

  test('is opened and closed', async () => {
    const service = await start();
    const place = { attempt: 'x', rank: 0 };
    const state = {
      state: 'open',
      ...place,
      streams: 4,
      tokens: 8,
      order: header.connections.map((c) => c.name),
      kinds: Array(6).fill('mhc'),
    };
    expect(await send(service, 'runs/sent', JSON.stringify(state), {}, 'PUT')).toEqual({
      status: 200,
      answer: { run: 'sent', attempt: 1 },
    });
    expect(await json<RunDetail>(service, 'api/v1/runs/sent')).toMatchObject({ live: true, kinds: ['mhc'] });
    await sendSteps(service, 'sent', [bodyOf(header, testSample(header, 1), {}, 'x')]);
    await send(service, 'runs/sent', JSON.stringify({ state: 'closed', ...place, outcome: 'completed' }), {}, 'PUT');
    expect(await json<RunDetail>(service, 'api/v1/runs/sent')).toMatchObject({ live: false, outcome: 'completed', lastStep: 1 });
    // Once more, by the same name: a job that was started again.
    expect((await send(service, 'runs/sent', JSON.stringify(state), {}, 'PUT')).answer).toMatchObject({ attempt: 2 });
    const again = await sendSteps(service, 'sent', [bodyOf(header, testSample(header, 1), {}, 'x')]);
    expect(again.answer).toMatchObject({ accepted: 1, late: 0 });
    // Without a name a step is none of an attempt that goes on, and begins one where that has ended.
    const plain = () => sendJson(service, 'sent', { step: 1, order: ['a'], measures: { forwardGain: [1] } });
    expect((await plain()).answer).toMatchObject({ accepted: 0, late: 1 });
    await send(service, 'runs/sent', JSON.stringify({ state: 'closed', ...place }), {}, 'PUT');
    expect((await plain()).answer).toMatchObject({ accepted: 1, late: 0 });
    expect(await json<RunDetail>(service, 'api/v1/runs/sent')).toMatchObject({ attempt: 3, tokens: 1 });
  });

  test('of ready-made measures: those and G, null and "NaN" where there is none', async () => {
    const service = await start();
    const sent = await sendJson(service, 'curl', {
      step: 4,
      loss: 'NaN',
      order: ['a', 'b'],
      measures: { compositeForwardGain: [1.5, 7], compositeBackwardGain: [2, null], rowDeviation: ['+Inf', 0] },
    });
    expect(sent.status).toBe(200);
    const answer = await latest(service, 'curl');
    expect(answer).toMatchObject({ compositeGain: 7, loss: 'NaN' });
    expect(answer.measures['rowDeviation']).toEqual(['+Inf', 0]);
    expect(answer.measures['compositeBackwardGain']).toEqual([2, 'NaN']);
  });
});

describe('a run of many ranks', () => {
  test('goes on while one that had closed is open again', async () => {
    const service = await start();
    const order = header.connections.map(({ name }) => name);
    const put = (rank: number, state: object) =>
      send(service, 'runs/sent', JSON.stringify({ attempt: 'x', rank, world_size: 2, ...state }), {}, 'PUT');
    const open = { state: 'open', streams: 4, order };
    for (const rank of [0, 1]) await put(rank, open);
    await put(0, { state: 'closed' });
    await put(0, open);
    await put(1, { state: 'closed' });
    expect(await json<RunDetail>(service, 'api/v1/runs/sent')).toMatchObject({ live: true });
  });

  const sample = testSample(header, 1);
  const halves = [
    { ...partOf(header, sample, 0, 3), stage: 0 },
    { ...partOf(header, sample, 3, 6), stage: 1 },
  ];
  const positions = JSON.stringify([0, 1, 2, 3, 4, 5, 6, 7]);
  const ofStage = (stage: number, change: Record<string, string> = {}) =>
    bodyOf(halves[stage].header, halves[stage].sample, {
      rank: String(stage),
      world_size: '2',
      stage: String(stage),
      stages: '2',
      tokens: positions,
      ...change,
    });

  test('two pipeline stages equal one process with all connections', async () => {
    const service = await start();
    const sent = await Promise.all([1, 0].map((stage) => sendSteps(service, 'sent', [ofStage(stage)])));
    expect(sent.map(({ answer }) => answer['accepted'])).toEqual([1, 1]);
    const answer = await latest(service);
    expectMeasures(answer, analyse(header, sample));
    expect((await json<RunDetail>(service, 'api/v1/runs/sent')).connections.map((c) => c.name)).toEqual(
      header.connections.map((c) => c.name),
    );
  });

  test('stages that sampled different tokens have their own measures, no composite gain, and are counted', async () => {
    const service = await start();
    await Promise.all([ofStage(0), ofStage(1, { tokens: '[0,1,2,3,4,5,6,9]' })].map((body) => sendSteps(service, 'sent', [body])));
    const answer = await latest(service);
    expectMeasures(answer, analyse(header, sample), OVER_DEPTH);
    expect(answer.compositeGain).toBe(null);
    expect((await ask(service, '/metrics')).body).toContain('mhc_ingest_token_mismatches_total{run="sent"} 1');
  });

  test('two data-parallel ranks equal one process with the tokens of both; the largest and its rank are kept', async () => {
    const service = await start({ rankLabel: true });
    const samples = [testSample(header, 1), testSample(header, 2)].map((one) => ({ ...one, step: 1, memory: null }));
    await Promise.all(
      samples.map((one, rank) => sendSteps(service, 'sent', [bodyOf(header, one, { rank: String(rank), world_size: '2' })])),
    );
    const both = { ...samples[0] };
    const layers = header.connections.length;
    const interleaved = (of: (one: (typeof samples)[0]) => Float32Array) => {
      const size = of(samples[0]).length / layers;
      return Float32Array.from({ length: 2 * layers * size }, (_, k) => {
        const [l, r, at] = [Math.floor(k / (2 * size)), Math.floor(k / size) % 2, k % size];
        return of(samples[r])[l * size + at];
      });
    };
    both.mappings = interleaved((one) => one.mappings);
    both.grams = interleaved((one) => one.grams!);
    both.inputSquares = interleaved((one) => one.inputSquares!);
    const together = analyse({ ...header, tokens: 16 }, both);
    expectMeasures(await latest(service), together);
    const gains = samples.map((one) => analyse(header, one));
    const { body } = await ask(service, '/metrics');
    const [layer] = header.connections;
    const largest = gains.map(({ measures }) => measures[0]);
    const of = (name: string) => Number(new RegExp(`${name}\\{run="sent",layer="${layer.name}"\\} (\\S+)`).exec(body)?.[1]);
    expect(of('mhc_layer_forward_gain_largest_ratio')).toBeCloseTo(Math.max(...largest), 6);
    expect(of('mhc_layer_forward_gain_largest_rank')).toBe(largest[1] > largest[0] ? 1 : 0);
    for (const rank of [0, 1]) {
      const value = Number(new RegExp(`mhc_rank_composite_gain_ratio\\{run="sent",rank="${rank}"\\} (\\S+)`).exec(body)?.[1]);
      expect(value).toBeCloseTo(gains[rank].compositeGain!, 6);
    }
  });

  test('a mapping that one rank does not know is that of the others', () => {
    const [known, other] = [1, 2].map((step) => testReport(header, step));
    const reports = [known, { ...other, mapping: other.mapping.map(() => Number.NaN) }];
    expect(reduce(header, [0, 1], reports).mapping).toEqual(known.mapping);
  });

  test('a rank that stays away is waited for some seconds, counted, and then no more', async () => {
    const service = await start();
    const body = (rank: number, step: number) =>
      bodyOf(header, { ...testSample(header, step), step }, { rank: String(rank), world_size: '2' });
    await Promise.all([0, 1].map((rank) => sendSteps(service, 'sent', [body(rank, 1)])));
    const began = performance.now();
    expect(
      (
        await sendSteps(
          service,
          'sent',
          [2, 3, 4].map((step) => body(0, step)),
        )
      ).answer,
    ).toMatchObject({ accepted: 3 });
    const waited = performance.now() - began;
    expect(waited).toBeGreaterThan(2000);
    expect((await sendSteps(service, 'sent', [body(1, 3)])).answer).toMatchObject({ late: 1 });
    const { body: metrics } = await ask(service, '/metrics');
    expect(metrics).toContain('mhc_ingest_stragglers_total{run="sent"} 3');
    // What the rank that is away has counted stays in it: 4 ms of the one, 1 ms of the other.
    expect(metrics).toContain('mhc_monitor_overhead_seconds_total{run="sent"} 0.005');
    const next = performance.now();
    await sendSteps(service, 'sent', [body(0, 5)]);
    expect(performance.now() - next).toBeLessThan(waited / 2);
  }, 20_000);
});
