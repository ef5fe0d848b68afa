/** What all detectors share: the list, the clock, what a warning carries, and the state over a restart. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createDetectors, detect, detectStall, readForecast, restoreDetectors, saveDetectors } from '../../alerts/detect.ts';
import { DETECTORS } from '../../alerts/detectors/list.ts';
import { messageOf } from '../../alerts/messages.ts';
import { createShared, updateShared } from '../../alerts/shared.ts';
import type { RunHeader } from '../../src/telemetry/sample.ts';
import { RULE_SEVERITIES, RULES, type Warning } from '../../src/telemetry/warning.ts';
import { follow, type GivenReport, headerOf, reportOf, wobble } from '../support/reports.ts';

const hc = headerOf('hc');
const mhc = headerOf('mhc');

describe('the list', () => {
  it('has a detector for each rule, and no two of one rule and limit', () => {
    expect(new Set(DETECTORS.map(({ rule }) => rule))).toEqual(new Set(RULES));
    expect(new Set(DETECTORS.map(({ rule, limit }) => `${rule} ${limit}`)).size).toBe(DETECTORS.length);
  });

  it.each(DETECTORS)('$rule $limit: judging changes nothing', (detector) => {
    const shared = createShared(mhc);
    const state = detector.create?.(mhc) ?? null;
    for (let step = 1; step <= 20; step++) {
      const report = reportOf(mhc, step, { compositeGain: 1 + 0.1 * step });
      const view = { header: mhc, report, shared, sensitivity: 1 };
      updateShared(shared, mhc, report);
      detector.update?.(state, view);
      const before = structuredClone({ state, shared });
      expect(detector.judge(state, view)).toEqual(detector.judge(state, view));
      expect({ state, shared }).toEqual(before);
    }
  });
});

describe('stall', () => {
  it('fires once by the clock, and ends with the next step', () => {
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
      expect(warning.message).toBe(messageOf(warning));
      expect(RULE_SEVERITIES[warning.rule]).toContain(warning.severity);
      expect(warning.runbook).toBe(`runbook.md#${warning.rule}`);
      expect(warning.time).toBe(reportOf(hc, warning.step).time);
      expect(warning.suspects[0] ?? null).toBe(warning.connection);
    }
  });
});

describe('the state', () => {
  const older = (text: string) => text.replace('"version":5', '"version":4');

  it('goes on after a restart as if nothing had been', () => {
    const given = (step: number): GivenReport => ({
      compositeGain: step === 100 ? Number.NaN : Math.exp(0.012 * step + 0.1 * wobble(step)),
    });
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
    const refusalOf = (header: RunHeader, other: string): string | null => {
      let refusal: string | null = null;
      const state = restoreDetectors(header, other, (why) => {
        refusal = why;
      });
      expect(state === null).toBe(refusal !== null);
      return refusal;
    };
    expect(refusalOf(hc, text)).toBeNull();
    for (const other of [headerOf('hc', 6), headerOf('mhc'), headerOf('hc', 8, 2)]) expect(refusalOf(other, text)).toBe('model');
    for (const other of [older(text), '{"version":1}']) expect(refusalOf(hc, other)).toBe('version');
    for (const rubbish of ['', '{', 'null', '7', '[]']) expect(refusalOf(hc, rubbish)).toBe('damaged');
  });

  it('of the version before still tells its forecast', () => {
    const { state } = follow(hc, 100, (step) => ({ compositeGain: Math.exp(0.012 * step) }));
    expect(state.forecast).not.toEqual([]);
    expect(readForecast(hc, older(saveDetectors(state)))).toMatchObject({ step: 100, forecast: state.forecast });
    expect(readForecast(mhc, saveDetectors(state))).toBeNull();
    expect(readForecast(hc, '{')).toBeNull();
  });
});
