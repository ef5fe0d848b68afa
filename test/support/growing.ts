/**
 * Trainings whose connections change from step to step (layers that are dropped, modules that run again): their steps as they are sent, and
 * what they should have been seen as, in float64 by plain products over the connections that ran.
 */
import fc from 'fast-check';
import { expect } from 'vitest';
import { gains } from '../../src/measures/gains.ts';
import type { RunDetail, StepAnswer } from '../../src/telemetry/api.ts';
import { MEASURE_INDEX, type MeasureKey } from '../../src/telemetry/catalogue.ts';
import type { StepReport } from '../../src/telemetry/report.ts';
import type { ConnectionInfo, RunHeader, StepSample } from '../../src/telemetry/sample.ts';
import { fromWire } from '../../src/telemetry/wire.ts';
import { product } from './matrices.ts';
import { testSample } from './samples.ts';
import { json } from './service.ts';
import { bodyOf } from './wire.ts';

/** A step as it ran. */
export interface Ran {
  header: RunHeader;
  sample: StepSample;
}

const info = (name: string): ConnectionInfo => ({ name, kind: 'hc', convention: null });

/** The step with the connections of these names, in their order. */
export function ranOf(run: string, step: number, names: readonly string[], streams = 2, tokens = 3): Ran {
  const header = { run, streams, tokens, connections: names.map(info) };
  return { header, sample: testSample(header, step, { memory: null, loss: step }) };
}

/** Names of all connections from input to output: four modules that run up to three times. */
const ALL = [0, 1, 2].flatMap((turn) => ['a', 'b', 'c', 'd'].map((name) => (turn === 0 ? name : `${name}#${turn + 1}`)));

/** Of each step the connections that ran: any of them. */
export const subsets = (min: number, max: number) => fc.array(fc.subarray(ALL, { minLength: 1 }), { minLength: min, maxLength: max });

/** What is expected of a step by name: gains of the products of what ran, each token by itself, and G. */
export interface Expected {
  /** By connection that ran. */
  forward: Map<string, number>;
  backward: Map<string, number>;
  compositeGain: number;
}

/** The reference: no array of more than one step, and no index. */
export function expectedOf({ header: { connections, streams: n, tokens }, sample: { mappings } }: Ran): Expected {
  const layers = connections.length;
  const of = (l: number, t: number) => Float64Array.from(mappings.subarray((l * tokens + t) * n * n, (l * tokens + t + 1) * n * n));
  const meanOf = (value: (t: number) => number) => Array.from({ length: tokens }, (_, t) => value(t)).reduce((a, b) => a + b, 0) / tokens;
  const through = (from: number, to: number, t: number) => {
    let all = of(from, t);
    for (let l = from + 1; l <= to; l++) all = product(of(l, t), all, n);
    return all;
  };
  const forward = new Map<string, number>();
  const backward = new Map<string, number>();
  connections.forEach(({ name }, l) => {
    forward.set(
      name,
      meanOf((t) => gains(through(0, l, t), n).forward),
    );
    backward.set(
      name,
      meanOf((t) => gains(through(l, layers - 1, t), n).backward),
    );
  });
  return { forward, backward, compositeGain: Math.max(...forward.values(), ...backward.values()) };
}

/** Values of a measure by the names of the connections. */
export const byName = ({ connections }: Pick<RunHeader, 'connections'>, report: StepReport, key: MeasureKey): Map<string, number> =>
  new Map(connections.map(({ name }, l) => [name, report.measures[MEASURE_INDEX[key] * connections.length + l]]));

/** As float32 and six digits tell it. */
export const close = (value: number) => expect.closeTo(value, 4);
/** Of the wire. */
export const bodiesOf = (steps: readonly Ran[], metadata: Record<string, string> = {}) =>
  steps.map(({ header, sample }) => bodyOf(header, sample, metadata));
export const detailOf = (service: { url: string }, run: string) => json<RunDetail>(service, `api/v1/runs/${run}`);
export const namesOf = ({ connections }: Pick<RunDetail, 'connections'>) => connections.map(({ name }) => name);

/** Do the measures of a step stand where its connections are, by name; and is what it lacked the identity? */
export function expectStep(step: Pick<StepAnswer, 'measures' | 'mapping' | 'compositeGain'>, names: readonly string[], ran: Ran): void {
  const { forward, backward, compositeGain } = expectedOf(ran);
  expect(fromWire(step.compositeGain)).toEqual(close(compositeGain));
  names.forEach((name, l) => {
    const of = (key: string) => fromWire(step.measures[key][l]);
    expect(step.measures['forwardGain']).toHaveLength(names.length);
    if (forward.has(name)) {
      expect([name, of('compositeForwardGain')]).toEqual([name, close(forward.get(name)!)]);
      expect([name, of('compositeBackwardGain')]).toEqual([name, close(backward.get(name)!)]);
    } else expect([name, of('forwardGain'), of('rowDeviation'), of('activationGain')]).toEqual([name, 1, 0, Number.NaN]);
  });
}
