/** The corpus: what its runs have to be, and that the recordings are theirs. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { eventOf } from './events.ts';
import { RUNS } from './runs.ts';
import { outcomeOf } from './score.ts';
import { seriesOf } from './series.ts';
import { type RunSpec, STREAMS, TOKENS } from './spec.ts';

const FOLDER = new URL('./recordings/', import.meta.url);
const of = (split: RunSpec['split']) => RUNS.filter((run) => run.split === split);
const namesOf = (runs: readonly RunSpec[]) => runs.map(({ name }) => name);
const isMhc = ({ connection }: RunSpec) => connection === 'mhc' || connection === 'mhc-deepseek';

describe('the table of runs', () => {
  it('has at least 120 of them, each with a name of its own', () => {
    expect(RUNS.length).toBeGreaterThanOrEqual(120);
    expect(new Set(namesOf(RUNS)).size).toBe(RUNS.length);
  });

  it('trains no two alike: each has its seed', () => {
    expect(new Set(RUNS.map(({ seed }) => seed)).size).toBe(RUNS.length);
  });

  it('is split by seed and by depth', () => {
    for (const key of ['seed', 'depth'] as const) {
      const tuning = new Set(of('tuning').map((run) => run[key]));
      expect(of('held-out').filter((run) => tuning.has(run[key]))).toEqual([]);
    }
  });

  it('disturbs connections that are there, at steps that come', () => {
    for (const { name, depth, steps, disturbance } of RUNS) {
      if (disturbance === undefined) continue;
      expect(disturbance.connection, name).toBeLessThan(2 * depth);
      expect(disturbance.step, name).toBeGreaterThan(1);
      expect(disturbance.step, name).toBeLessThan(steps);
    }
  });

  it('poisons batches that come', () => {
    for (const { name, steps, poison } of RUNS) if (poison !== undefined) expect(poison.step + poison.count, name).toBeLessThan(steps);
  });

  it('does to Sinkhorn only where there is one, and rounds it only in the convention that can be rounded', () => {
    const touched = RUNS.filter(
      ({ iterations, logitStd, disturbance }) => (iterations ?? logitStd) !== undefined || disturbance?.kind === 'sinkhorn',
    );
    expect(namesOf(touched.filter((run) => !isMhc(run)))).toEqual([]);
    expect(namesOf(RUNS.filter(({ half, connection }) => half && connection !== 'mhc'))).toEqual([]);
  });

  it('changes the learning rate at rising steps', () => {
    for (const { name, schedule = [] } of RUNS) {
      const steps = schedule.map(([step]) => step);
      expect(steps, name).toEqual([...new Set(steps)].sort((a, b) => a - b));
    }
  });

  it('has each kind in both halves', () => {
    const kinds: Record<string, (run: RunSpec) => unknown> = {
      'with clipping': ({ clipNorm }) => clipNorm !== null,
      'without clipping': ({ clipNorm }) => clipNorm === null,
      wide: ({ width }) => width > 16,
      short: ({ steps }) => steps === 300,
      long: ({ steps }) => steps >= 3000,
      'slow warm-up': ({ warmup }) => warmup >= 1000,
      'rate changed': ({ schedule }) => schedule,
      poisoned: ({ poison }) => poison,
      residual: ({ connection }) => connection === 'residual',
      'HC, static': ({ connection }) => connection === 'hc-static',
      'mHC, DeepSeek': ({ connection }) => connection === 'mhc-deepseek',
      'mHC, 1 iteration': ({ iterations }) => iterations === 1,
      'mHC, large logits': ({ logitStd }) => logitStd,
      'mHC, float16': ({ half }) => half,
      'mHC, healthy': (run) => isMhc(run) && !(run.iterations ?? run.logitStd ?? run.half ?? run.disturbance ?? run.poison),
      'disturbed rate': ({ disturbance }) => disturbance?.kind === 'learning-rate' && disturbance.size === 30,
      'disturbed b_res': ({ disturbance }) => disturbance?.kind === 'b_res',
      'disturbed Sinkhorn': ({ disturbance }) => disturbance?.kind === 'sinkhorn',
    };
    for (const [kind, is] of Object.entries(kinds)) {
      for (const split of ['tuning', 'held-out'] as const) expect(of(split).filter(is).length, `${kind}, ${split}`).toBeGreaterThan(0);
    }
  });
});

describe('the recordings', () => {
  const corpus = RUNS.map((spec) => ({ spec, series: seriesOf(readFileSync(new URL(`${spec.name}.br`, FOLDER))) }));
  const heldOut = corpus.filter(({ spec }) => spec.split === 'held-out');

  it('are one per run', () => {
    expect(new Set(readdirSync(FOLDER))).toEqual(new Set(RUNS.map(({ name }) => `${name}.br`)));
  });

  it('are small enough to keep', () => {
    const bytes = readdirSync(FOLDER).reduce((sum, file) => sum + readFileSync(new URL(file, FOLDER)).length, 0);
    expect(bytes).toBeLessThanOrEqual(40e6);
  });

  it('hold exactly the spec of their run, and its connections', () => {
    for (const { spec, series } of corpus) {
      const { name, connection, depth } = spec;
      expect(series.spec).toEqual(spec);
      expect(series.header).toMatchObject({ run: name, streams: connection === 'residual' ? 1 : STREAMS, tokens: TOKENS });
      expect(series.header.connections.length, name).toBe(2 * depth);
      const kind = { residual: 'residual', hc: 'hc', 'hc-static': 'hc', mhc: 'mhc', 'mhc-deepseek': 'mhc' }[connection];
      expect(new Set(series.header.connections.map((c) => c.kind)), name).toEqual(new Set([kind]));
    }
  });

  it('are whole, or end after 60 steps that are beyond saving', () => {
    for (const { spec, series } of corpus) {
      const beyond = Array.from({ length: series.steps }, (_, i) => series.gain[i] >= 1000 || !Number.isFinite(series.loss[i]));
      const text = beyond.map((is) => (is ? 'x' : '.')).join('');
      const end = text.indexOf('x'.repeat(60));
      expect(series.steps, spec.name).toBe(end < 0 ? spec.steps : end + 60);
    }
  });

  it('held out are enough: events, late ones, healthy steps and disturbed runs', () => {
    const outcomes = heldOut.map(({ series }) => outcomeOf(series.steps, eventOf(series, 'gain 1000'), []));
    const events = outcomes.flatMap(({ event }) => (event === null ? [] : [event]));
    expect(events.length).toBeGreaterThanOrEqual(30);
    expect(events.filter((step) => step > 1000).length).toBeGreaterThanOrEqual(10);
    expect(outcomes.reduce((sum, { healthySteps }) => sum + healthySteps, 0)).toBeGreaterThanOrEqual(50_000);
    expect(heldOut.filter(({ spec }) => spec.disturbance !== undefined).length).toBeGreaterThanOrEqual(20);
  });
});
