/** The detectors as a run meets them: what is raised, when, with whom named, and what stays silent. */
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { createDetectors, detect, detectStall, restoreDetectors, saveDetectors } from '../../alerts/detect.ts';
import type { RunHeader } from '../../src/telemetry/sample.ts';
import { RULES, type Warning } from '../../src/telemetry/warning.ts';
import { headerOf, reportOf } from '../support/reports.ts';

type Given = Parameters<typeof reportOf>[2];

/** Goes through every k-th of the steps, as the probe does, and lists what was raised and cleared. */
function follow(header: RunHeader, steps: number, given: (step: number) => Given, { every = 1, sensitivity = 1 } = {}) {
  const state = createDetectors(header, { sensitivity });
  const raised: Warning[] = [];
  const cleared: Warning[] = [];
  for (let step = 1; step <= steps; step += every) {
    const detection = detect(header, state, reportOf(header, step, given(step)));
    raised.push(...detection.raised);
    cleared.push(...detection.cleared);
  }
  return { state, raised, cleared };
}

const hc = headerOf('hc');
const mhc = headerOf('mhc');
/** Noise of the same kind at every run of the test. */
const wobble = (step: number) => Math.sin(12.9898 * step) * Math.cos(78.233 * step);

describe('gain forecast', () => {
  /** ln G from 0 at step 200 to ln 1000 at `end`, a little noise on it. */
  const ramp = (end: number) => (step: number) => {
    const ln = (Math.log(1000) * Math.max(0, step - 200)) / (end - 200);
    return { compositeGain: Math.exp(ln + 0.05 * wobble(step)) };
  };

  it.each([600, 1200, 3000])('warns of a ramp that reaches 1000 at step %i well before it', (end) => {
    const { raised } = follow(hc, end, ramp(end));
    const [warning] = raised.filter(({ threshold }) => threshold === 1000);
    expect(warning).toMatchObject({ rule: 'gain-forecast', severity: 'warning', measure: 'compositeGain', run: 'a-run' });
    const lead = end - warning.step;
    expect(lead).toBeGreaterThan(50);
    expect(warning.stepsLeft).toBeGreaterThan(0.6 * lead);
    expect(warning.stepsLeft).toBeLessThan(1.6 * lead);
    const [low, high] = warning.interval ?? [Number.NaN, Number.NaN];
    expect(low).toBeLessThanOrEqual(lead);
    expect(high ?? Number.POSITIVE_INFINITY).toBeGreaterThanOrEqual(lead);
  });

  it('warns of 100, that 1000 may come, and that it is nearly certain to come', () => {
    const { raised } = follow(hc, 700, ramp(600));
    expect(raised.map(({ threshold, severity }) => [threshold, severity])).toEqual([
      [100, 'warning'],
      [1000, 'warning'],
      [1000, 'critical'],
    ]);
    expect(raised[1].message).toMatch(/may reach 1000 in about \d+ steps/);
    expect(raised[2].message).toMatch(/is forecast to reach 1000 in about \d+ steps/);
  });

  it('is as certain as can be of a gain that is there, slowly though it came', () => {
    const { raised } = follow(hc, 3100, ramp(3000));
    const last = raised.at(-1);
    expect(last).toMatchObject({ threshold: 1000, severity: 'critical', stepsLeft: 0 });
    expect(last?.step).toBeLessThan(3060);
    expect(last?.message).toMatch(/has reached 1000/);
  });

  /** A gain that stands at `gain` while the learning rate rises to `factor` times what it was. */
  const risenRate = (gain: number, factor: number | null) => {
    const rate = (step: number) => (factor === null ? null : step > 800 ? factor * 1e-3 : 1e-3);
    return follow(hc, 830, (step) => ({ learningRate: rate(step), compositeGain: gain * Math.exp(0.02 * wobble(step)) })).raised;
  };

  it('knows that a risen learning rate carries the gain with it, before it does', () => {
    expect(risenRate(50, 1)).toEqual([]);
    expect(risenRate(50, null)).toEqual([]);
    const raised = risenRate(50, 4);
    // The rate alone is never certain.
    expect(raised.map(({ threshold, severity }) => [threshold, severity])).toEqual([
      [100, 'warning'],
      [1000, 'warning'],
    ]);
    for (const { step, message } of raised) {
      expect(step).toBeLessThan(810);
      expect(message).toMatch(/the learning rate is [34](\.\d+)? × its recent mean/);
    }
    // Where nothing is amplified, a rate carries nothing.
    expect(risenRate(1, 10)).toEqual([]);
  });

  it.each([5, 10])('warns in time where only every %i-th step is watched', (every) => {
    const { raised } = follow(hc, 600, ramp(600), { every });
    for (const severity of ['warning', 'critical']) {
      const first = raised.find((warning) => warning.threshold === 1000 && warning.severity === severity);
      expect(600 - (first?.step ?? Number.POSITIVE_INFINITY), severity).toBeGreaterThan(30);
    }
  });

  it('blames no learning rate that it was not told', () => {
    const { raised } = follow(hc, 40, (step) => ({ learningRate: null, compositeGain: 5000 * Math.exp(-0.01 * step) }));
    expect(raised.map(({ threshold, severity }) => `${threshold} ${severity}`)).toEqual(['100 warning', '1000 warning', '1000 critical']);
    for (const { message } of raised) expect(message).toMatch(/has reached 100.*grows most\.$/);
  });

  it('throws at no kind of model, however sensitive', () => {
    const residual = headerOf('residual');
    const mixed = headerOf('mhc');
    mixed.connections = mixed.connections.map((connection, l) => (l < 3 ? { ...connection, kind: 'hc', convention: null } : connection));
    const empty = { ...hc, connections: [] };
    for (const header of [residual, mixed, headerOf('mhc', 8, 1), headerOf('hc', 8, 1), headerOf('mhc', 1, 2), empty]) {
      expect(() => follow(header, 50, () => ({ compositeGain: 1.05 }), { sensitivity: 1000 })).not.toThrow();
    }
    expect(follow(mixed, 300, ramp(300)).raised.map(({ threshold }) => threshold)).toEqual([100, 1000, 1000]);
  });

  it('names the connection that grows', () => {
    const { raised } = follow(hc, 500, (step) => ({
      ...ramp(600)(step),
      measures: { forwardGain: (l) => (l === 5 ? Math.exp(0.02 * Math.max(0, step - 200)) : 1.2) },
    }));
    expect(raised.find(({ rule }) => rule === 'gain-forecast')?.connection).toBe('block2.mlp');
  });

  it('is not fired by one step, however high', () => {
    fc.assert(
      fc.property(fc.integer({ min: 20, max: 280 }), fc.double({ min: 1, max: 1e30, noNaN: true }), (at, spike) => {
        const { raised } = follow(hc, 300, (step) => ({ compositeGain: step === at ? spike : 5 * Math.exp(0.1 * wobble(step)) }));
        expect(raised).toEqual([]);
      }),
      { numRuns: 30 },
    );
  });

  it('is silent on a plateau and raises once where the gain goes up and down', () => {
    expect(follow(hc, 2000, (step) => ({ compositeGain: 40 * Math.exp(0.2 * wobble(step)) })).raised).toEqual([]);
    const swinging = follow(hc, 3000, (step) => ({ compositeGain: Math.exp(3.5 + Math.sin(step / 15)) }));
    expect(swinging.raised.filter(({ threshold }) => threshold === 100).length).toBeLessThanOrEqual(1);
  });

  it('clears when the gain has come back', () => {
    const { raised, cleared, state } = follow(hc, 1500, (step) => (step < 700 ? ramp(700)(step) : { compositeGain: 2 }));
    expect(cleared).toHaveLength(raised.length);
    expect(state.active).toEqual([]);
  });

  it('judges mHC by n / 2', () => {
    const { raised } = follow(mhc, 800, (step) => ({ compositeGain: 1 + 0.05 * Math.exp(0.005 * step) }));
    const event = Math.ceil(Math.log(1 / 0.05) / 0.005);
    expect(raised[0]).toMatchObject({ rule: 'gain-forecast', threshold: 2 });
    expect(event - raised[0].step).toBeGreaterThan(50);
    expect(follow(mhc, 1000, (step) => ({ compositeGain: 1.1 + 0.03 * wobble(step) })).raised).toEqual([]);
  });

  it('warns earlier with more sensitivity, and refuses one that is not above 0', () => {
    const first = (sensitivity: number) => {
      const state = createDetectors(hc, { sensitivity });
      for (let step = 1; step <= 1200; step++) {
        const { raised } = detect(hc, state, reportOf(hc, step, ramp(1200)(step)));
        if (raised.some(({ threshold }) => threshold === 1000)) return step;
      }
      return Number.POSITIVE_INFINITY;
    };
    expect(first(2)).toBeLessThan(first(1));
    expect(first(1)).toBeLessThan(first(0.5));
    for (const bad of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => createDetectors(hc, { sensitivity: bad })).toThrow(/sensitivity must be a finite number above 0/);
    }
  });
});

describe('runaway connection', () => {
  it('names the one whose gain leaves its peers while the composite stays', () => {
    const { raised } = follow(hc, 300, (step) => ({
      measures: { forwardGain: (l) => Math.exp(0.3 + 0.02 * wobble(step + l) + (l === 3 && step > 200 ? 0.01 * (step - 200) : 0)) },
    }));
    expect(raised).toMatchObject([{ rule: 'runaway-connection', connection: 'block1.mlp', measure: 'forwardGain' }]);
    expect(raised[0].step).toBeLessThan(260);
  });

  it('is silent where all grow', () => {
    expect(follow(hc, 300, (step) => ({ measures: { forwardGain: Math.exp(0.005 * step) } })).raised).toEqual([]);
  });

  it('looks at the logits of mHC', () => {
    const { raised } = follow(mhc, 300, (step) => ({ measures: { logitRange: (l) => (l === 2 && step > 200 ? 30 : 5) } }));
    expect(raised).toMatchObject([{ rule: 'runaway-connection', connection: 'block1.attention', measure: 'logitRange' }]);
  });
});

describe('collapse', () => {
  it('warns before the separation reaches 0.05', () => {
    const { raised } = follow(mhc, 600, (step) => ({ measures: { separation: 0.7 * Math.exp(-0.005 * step) } }));
    const event = Math.ceil(Math.log(0.7 / 0.05) / 0.005);
    expect(raised).toMatchObject([{ rule: 'collapse', severity: 'critical', measure: 'separation', threshold: 0.05 }]);
    expect(event - raised[0].step).toBeGreaterThan(50);
  });

  it('names a connection that loses a column', () => {
    const { raised } = follow(mhc, 100, (step) => ({ measures: { columnSumMin: (l) => (l === 4 && step > 50 ? 0.1 : 0.98) } }));
    expect(raised).toMatchObject([{ rule: 'collapse', measure: 'columnSumMin', connection: 'block2.attention' }]);
  });

  it('is not hidden by a sum that is low but not low enough', () => {
    const { raised } = follow(mhc, 600, (step) => ({ measures: { columnSumMin: 0.25, separation: 0.7 * Math.exp(-0.005 * step) } }));
    expect(raised).toMatchObject([{ rule: 'collapse', measure: 'separation' }]);
  });

  it('is no emergency where the streams have been one from the first step, until they have been apart', () => {
    const separation = (step: number) => (step > 300 && step <= 600 ? 0.7 : 7e-5);
    const { raised, cleared } = follow(mhc, 900, (step) => ({ measures: { separation: separation(step) } }));
    expect(raised.map(({ severity, message }) => [severity, /from the start/.test(message)])).toEqual([
      ['warning', true],
      ['critical', false],
    ]);
    expect(cleared).toMatchObject([{ rule: 'collapse' }]);
  });

  it('says nothing of HC, whose separation is free', () => {
    expect(follow(hc, 100, () => ({ measures: { separation: 0.001 } })).raised).toEqual([]);
  });
});

describe('deviation drift', () => {
  it('judges a connection by its past and its peers', () => {
    const { raised } = follow(mhc, 400, (step) => ({ measures: { columnDeviation: (l) => (l === 6 && step > 300 ? 0.1 : 0.02) } }));
    expect(raised).toMatchObject([{ rule: 'deviation-drift', connection: 'block3.attention', measure: 'columnDeviation' }]);
  });

  it('is silent where all drift together and low, and warns where it is high', () => {
    expect(follow(mhc, 1000, (step) => ({ measures: { columnDeviation: 0.001 * Math.exp(0.004 * step) } })).raised).toEqual([]);
    expect(follow(mhc, 400, () => ({ measures: { columnDeviation: 0.6 } })).raised).toMatchObject([{ rule: 'deviation-drift' }]);
  });

  it.each([0, Number.NaN])('takes %d for no deviation, and starts from the first that is one', (none) => {
    const { raised } = follow(mhc, 400, (step) => ({ measures: { columnDeviation: step < 100 ? none : 0.001 } }));
    expect(raised).toEqual([]);
  });
});

describe('dead routing', () => {
  const dead = { routingEntropy: 0.001, logitGradient: 1e-9 };

  it('warns when entropy and gradient have been gone for 200 steps', () => {
    const { raised } = follow(mhc, 800, (step) => ({ measures: step > 500 ? dead : {} }));
    expect(raised).toMatchObject([{ rule: 'dead-routing', measure: 'routingEntropy' }]);
    expect(raised[0].step).toBe(700);
  });

  it('is found where only every tenth step is watched, and they are 1, 11, 21 …', () => {
    const { raised } = follow(mhc, 1500, (step) => ({ measures: step > 500 ? dead : {} }), { every: 10 });
    expect(raised).toMatchObject([{ rule: 'dead-routing' }]);
  });

  it('is silent near the identity while the gradient lives, and while the warm-up lasts', () => {
    expect(follow(mhc, 800, () => ({ measures: { routingEntropy: 0.001 } })).raised).toEqual([]);
    expect(follow(mhc, 800, (step) => ({ learningRate: 1e-5 * step, measures: step > 500 ? dead : {} })).raised).toEqual([]);
  });
});

describe('values that are not finite', () => {
  it.each<[string, NonNullable<Given>]>([
    ['loss', { loss: Number.NaN }],
    ['gradientNorm', { gradientNorm: Number.POSITIVE_INFINITY }],
    ['compositeGain', { compositeGain: Number.NaN }],
    ['nonfinite', { nonfinite: Float64Array.from([0, 0, 3, 0, 0, 0, 0, 0]) }],
  ])('of %s fire at once', (measure, given) => {
    const { raised } = follow(hc, 40, (step) => (step === 40 ? given : {}));
    expect(raised).toMatchObject([{ rule: 'nonfinite', severity: 'critical', step: 40, measure }]);
    expect(raised[0].connection).toBe(measure === 'nonfinite' ? 'block1.attention' : null);
    expect(raised[0].message).toMatch(/^(block1.attention|The (loss|gradient norm|composite gain)) of run a-run /);
  });
});

describe('spikes', () => {
  it('are context', () => {
    const { raised } = follow(hc, 200, (step) => ({
      loss: step === 150 ? 60 : 3 + 0.1 * wobble(step),
      gradientNorm: step === 160 ? 90 : 1,
    }));
    expect(raised.map(({ rule, severity, step }) => [rule, severity, step])).toEqual([
      ['loss-spike', 'info', 150],
      ['gradient-spike', 'info', 160],
    ]);
  });
});

describe('stall', () => {
  it('is told the time, fires once, and ends with the next step', () => {
    const { state } = follow(hc, 50, () => ({}));
    const last = reportOf(hc, 50).time;
    expect(detectStall(hc, state, last + 30_000).raised).toEqual([]);
    expect(detectStall(hc, state, last + 61_000).raised).toMatchObject([{ rule: 'stalled', step: 50, time: last + 61_000 }]);
    expect(detectStall(hc, state, last + 90_000).raised).toEqual([]);
    expect(detect(hc, state, reportOf(hc, 51)).cleared).toMatchObject([{ rule: 'stalled' }]);
  });

  it('learns that a run pauses now and then, as for an evaluation', () => {
    const { state } = follow(hc, 50, () => ({}));
    const last = reportOf(hc, 50).time;
    expect(detectStall(hc, state, last + 100_000).raised).toHaveLength(1);
    detect(hc, state, reportOf(hc, 51, { time: last + 120_000 }));
    expect(detectStall(hc, state, last + 120_000 + 150_000).raised).toEqual([]);
    expect(detectStall(hc, state, last + 120_000 + 250_000).raised).toHaveLength(1);
  });

  it('does not count the time between two processes', () => {
    const { state } = follow(hc, 50, () => ({}));
    const restored = restoreDetectors(hc, saveDetectors(state))!;
    const later = reportOf(hc, 50).time + 3_600_000;
    expect(detectStall(hc, restored, later).raised).toEqual([]);
    detect(hc, restored, reportOf(hc, 51, { time: later }));
    expect(detectStall(hc, restored, later + 61_000).raised).toHaveLength(1);
  });

  it('waits longer for a run of long steps', () => {
    const state = createDetectors(hc);
    for (let step = 1; step <= 20; step++) detect(hc, state, reportOf(hc, step, { time: 60_000 * step }));
    expect(detectStall(hc, state, 60_000 * 20 + 300_000).raised).toEqual([]);
    expect(detectStall(hc, state, 60_000 * 20 + 1_300_000).raised).toHaveLength(1);
  });
});

describe('a warning', () => {
  it('carries all that a person needs', () => {
    const { raised } = follow(hc, 600, (step) => ({ compositeGain: Math.exp(0.012 * step), loss: step === 500 ? Number.NaN : 3 }));
    expect(raised.length).toBeGreaterThan(2);
    for (const warning of raised) {
      expect(RULES).toContain(warning.rule);
      expect(warning.message).toMatch(/a-run/);
      expect(warning.runbook).toBe(`runbook.md#${warning.rule}`);
      expect(warning.time).toBe(reportOf(hc, warning.step).time);
      expect(warning.suspects[0] ?? null).toBe(warning.connection);
    }
  });
});

describe('the state', () => {
  it('goes on after a restart as if nothing had been', () => {
    const given = (step: number): Given => ({ compositeGain: step === 100 ? Number.NaN : Math.exp(0.012 * step + 0.1 * wobble(step)) });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 599 }), (cut) => {
        const whole = follow(hc, 600, given);
        let state = createDetectors(hc);
        const raised: Warning[] = [];
        for (let step = 1; step <= 600; step++) {
          raised.push(...detect(hc, state, reportOf(hc, step, given(step))).raised);
          if (step === cut) state = restoreDetectors(hc, saveDetectors(state)) ?? createDetectors(hc);
        }
        expect(raised).toEqual(whole.raised);
        expect(state).toEqual(whole.state);
      }),
      { numRuns: 20 },
    );
  });

  it('is not restored from another model, another version or rubbish', () => {
    const text = saveDetectors(createDetectors(hc));
    expect(restoreDetectors(hc, text)).not.toBeNull();
    for (const other of [headerOf('hc', 6), headerOf('mhc'), headerOf('hc', 8, 2)]) expect(restoreDetectors(other, text)).toBeNull();
    expect(restoreDetectors(hc, text.replace('"version":5', '"version":4'))).toBeNull();
    for (const rubbish of ['', '{', 'null', '7', '[]', '{"version":1}']) expect(restoreDetectors(hc, rubbish)).toBeNull();
  });
});

test.each(['hc', 'mhc'] as const)('all of %s costs less than 20 µs per connection and step', (kind) => {
  const header = headerOf(kind, 24);
  const state = createDetectors(header);
  const reports = Array.from({ length: 2000 }, (_, i) => reportOf(header, i + 1, { compositeGain: Math.exp(0.003 * i) }));
  const start = performance.now();
  for (const report of reports) detect(header, state, report);
  expect((1000 * (performance.now() - start)) / (reports.length * 24)).toBeLessThan(20);
});
