/** The detectors but that of the composite gain, as a run meets them: what is raised, when, with whom named, and what stays silent. */
import { describe, expect, it } from 'vitest';
import { follow, type GivenReport, headerOf, wobble } from '../support/reports.ts';

const hc = headerOf('hc');
const mhc = headerOf('mhc');

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
    expect(raised.map(({ severity, cause }) => [severity, cause?.kind])).toEqual([
      ['warning', 'collapsed-start'],
      ['critical', 'collapse'],
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
  const scalar = { kind: 'nonfinite-scalar', connection: null, figures: {} };
  const values = { kind: 'nonfinite-values', connection: 'block1.attention', figures: { count: 3 } };

  it.each<[string, GivenReport, object]>([
    ['loss', { loss: Number.NaN }, scalar],
    ['gradientNorm', { gradientNorm: Number.POSITIVE_INFINITY }, scalar],
    ['compositeGain', { compositeGain: Number.NaN }, scalar],
    ['nonfinite', { nonfinite: Float64Array.from([0, 0, 3, 0, 0, 0, 0, 0]) }, values],
  ])('of %s fire at once', (measure, given, cause) => {
    const { raised } = follow(hc, 40, (step) => (step === 40 ? given : {}));
    expect(raised).toMatchObject([{ rule: 'nonfinite', severity: 'critical', step: 40, measure }]);
    expect(raised[0].cause).toEqual(cause);
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
