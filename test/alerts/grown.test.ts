/** Detectors of a run that gets more connections, or learns more of them: what is known of each goes with its name. */
import { expect, test } from 'vitest';
import { createDetectors, detect, moveDetectors, restoreDetectors, saveDetectors } from '../../alerts/detect.ts';
import { mergeHeader } from '../../src/telemetry/listing.ts';
import type { ConnectionInfo, RunHeader } from '../../src/telemetry/sample.ts';
import { follow, headerOf, reportOf, wobble } from '../support/reports.ts';

/** A connection between the first two of the others. */
const withNew = (header: RunHeader, change: Partial<ConnectionInfo> = {}): RunHeader => {
  const [first, ...others] = header.connections;
  return { ...header, connections: [first, { ...first, name: 'new', ...change }, ...others] };
};
/** The gain of one connection, by its name, grows; all others stay. */
const growing = (header: RunHeader, name: string) => (step: number) => ({
  measures: {
    forwardGain: (l: number) =>
      header.connections[l].name === name ? Math.exp(0.01 * Math.max(0, step - 150)) : 1.2 + 0.01 * wobble(step + l),
  },
});

test('a runaway goes on to be watched by its name when others come before it', () => {
  const before = headerOf('hc');
  const name = before.connections[3].name;
  const whole = follow(before, 400, growing(before, name));
  const raised = whole.raised.find(({ rule }) => rule === 'runaway-connection')!;
  expect(raised.connection).toBe(name);
  const after = withNew(before);
  const { state } = follow(before, 180, growing(before, name));
  moveDetectors(before, after, state);
  const found = [];
  for (let step = 181; step <= 400; step++) found.push(...detect(after, state, reportOf(after, step, growing(after, name)(step))).raised);
  expect(found.map(({ rule, connection, step }) => [rule, connection, step])).toContainEqual(['runaway-connection', name, raised.step]);
});

test('a connection that is new is neither dead nor a drift, and what was quiet stays so', () => {
  const before = headerOf('mhc');
  const { state, raised } = follow(before, 300, (step) => ({ measures: { columnDeviation: 0.01 + 0.001 * wobble(step) } }));
  expect(raised).toEqual([]);
  const after = withNew(before);
  moveDetectors(before, after, state);
  const found = [];
  for (let step = 301; step <= 700; step++) found.push(...detect(after, state, reportOf(after, step)).raised);
  expect(found).toEqual([]);
});

test('a saved state is gone on with by more connections, and by a kind that was not known', () => {
  const before = headerOf('hc');
  const { state } = follow(before, 200, growing(before, before.connections[3].name));
  const text = saveDetectors(state);
  const after = withNew(before);
  const restored = restoreDetectors(after, text)!;
  moveDetectors(before, after, state);
  expect({ ...restored, detectors: { ...restored.detectors, stalled: null } }).toEqual({
    ...state,
    detectors: { ...state.detectors, stalled: null },
  });
  const refusals: string[] = [];
  expect(restoreDetectors(before, saveDetectors(state), (reason) => refusals.push(reason))).toBeNull();
  expect(refusals).toEqual(['model']);
  const own = headerOf('own');
  const found: RunHeader = { ...own, connections: own.connections.map((one) => ({ ...one, kind: 'mhc' })) };
  expect(restoreDetectors(found, saveDetectors(createDetectors(own)))?.shared.logitRange.seen).toHaveLength(8);
});

test('one that is found to be doubly stochastic is judged as that: n / 2, deviation, no runaway; a trend of another scale begins anew', () => {
  const before = headerOf('own');
  const { state } = follow(before, 100, () => ({ compositeGain: 1.5 }));
  expect(state.shared.trend.points).toBe(100);
  const after = mergeHeader(before, { ...before, connections: before.connections.map((one) => ({ ...one, bounded: 'doubly' as const })) });
  moveDetectors(before, after, state);
  expect(state.shared).toMatchObject({ trend: { points: 0 }, gain: { seen: [] } });
  const found = [];
  for (let step = 101; step <= 200; step++) {
    const high = reportOf(after, step, { measures: { rowDeviation: (l) => (l === 2 ? 0.7 : 1e-7), columnDeviation: 1e-7 } });
    found.push(...detect(after, state, high).raised);
  }
  expect(found.map(({ rule, connection, measure }) => [rule, connection, measure])).toContainEqual([
    'deviation-drift',
    after.connections[2].name,
    'rowDeviation',
  ]);
});
