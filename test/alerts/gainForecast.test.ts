/** The forecast of the composite gain as a run meets it: when it warns, of which limit, for what cause, and when it is silent. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createDetectors } from '../../alerts/detect.ts';
import type { Warning } from '../../src/telemetry/warning.ts';
import { follow, headerOf, wobble } from '../support/reports.ts';

const hc = headerOf('hc');
const mhc = headerOf('mhc');

const passedBy = (warning: Warning | undefined): number =>
  warning?.cause?.kind === 'gain-growth' ? warning.cause.figures.passedBy : Number.NaN;

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
    for (const { cause, stepsLeft } of raised) {
      expect(cause?.kind).toBe('gain-growth');
      expect(stepsLeft).toBeGreaterThan(0);
    }
  });

  it('is as certain as can be of a gain that is there, slowly though it came', () => {
    const { raised } = follow(hc, 3100, ramp(3000));
    const last = raised.at(-1);
    expect(last).toMatchObject({ threshold: 1000, severity: 'critical', stepsLeft: 0 });
    expect(last?.step).toBeLessThan(3060);
    expect(passedBy(last)).toBeGreaterThanOrEqual(0);
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
    for (const { step, cause } of raised) {
      expect(step).toBeLessThan(810);
      expect(cause).toMatchObject({ kind: 'learning-rate', figures: { rateFactor: expect.closeTo(3.9, 0) } });
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

  it('blames no learning rate where none is reported', () => {
    const { raised } = follow(hc, 40, (step) => ({ learningRate: null, compositeGain: 5000 * Math.exp(-0.01 * step) }));
    expect(raised.map(({ threshold, severity }) => `${threshold} ${severity}`)).toEqual(['100 warning', '1000 warning', '1000 critical']);
    for (const warning of raised) {
      expect(warning.cause).toMatchObject({ kind: 'gain-growth', connection: warning.connection });
      expect(passedBy(warning)).toBeGreaterThanOrEqual(0);
    }
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
    const first = (sensitivity: number) =>
      follow(hc, 1200, ramp(1200), { sensitivity }).raised.find(({ threshold }) => threshold === 1000)?.step ?? Number.POSITIVE_INFINITY;
    expect(first(2)).toBeLessThan(first(1));
    expect(first(1)).toBeLessThan(first(0.5));
    for (const bad of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => createDetectors(hc, { sensitivity: bad })).toThrow(/sensitivity must be a finite number above 0/);
    }
  });
});
