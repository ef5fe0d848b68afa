/** Warnings on the training thread: onWarning and warnings(), and that neither harms the loop. */
import * as tf from '@tensorflow/tfjs';
import type { Monitor, WatchOptions } from 'gainwatch';
import { expect, test } from 'vitest';
import type { SeriesAnswer, WarningAnswer } from '../../src/telemetry/api.ts';
import type { Warning } from '../../src/telemetry/warning.ts';
import { temporaryFolder } from '../support/folders.ts';
import { json } from '../support/service.ts';
import { startWatching } from '../support/watched.ts';

/** Does the step run at the moment? */
let inStep = false;
const NAP = new Int32Array(new SharedArrayBuffer(4));

async function start(options: WatchOptions) {
  await tf.setBackend('cpu');
  return startWatching([{ name: 'own', mapping: (given) => given }], options);
}

/** A first loss, then others, in a loop that never yields, until `done` or for 20 s. */
function train(monitor: Monitor, first: number, done: () => boolean, others = 3): void {
  const h = tf.eye(2);
  const end = performance.now() + 20_000;
  for (let loss = first; !done() && performance.now() < end; loss = others) {
    const back = monitor.step(() => {
      inStep = true;
      monitor.observe('own', h);
      inStep = false;
      return loss;
    });
    expect(back).toBe(loss);
    Atomics.wait(NAP, 0, 0, 1);
  }
  h.dispose();
}

const fail = (error: unknown) => () => {
  throw error;
};

test.each<[string, () => void | Promise<void>, string | null]>([
  ['goes well', () => {}, null],
  ['throws', fail(new Error('it is broken')), 'it is broken'],
  ['throws what is no error', fail(null), 'null'],
  ['is async and fails', async () => fail(new Error('it is broken'))(), 'it is broken'],
])('an onWarning that %s is called between two steps of a loop that never yields, once', async (_what, act, failure) => {
  const warned: Warning[] = [];
  const onWarning = (warning: Warning) => {
    expect(inStep).toBe(false);
    warned.push(warning);
    return act();
  };
  const { monitor, lines } = await start({ onWarning });
  train(monitor, Number.NaN, () => monitor.warnings().some(({ clearedStep }) => clearedStep !== null));
  expect(warned).toMatchObject([{ rule: 'nonfinite', step: 1, measure: 'loss', run: 'test' }]);
  expect(monitor.warnings()).toMatchObject([{ warning: warned[0], clearedStep: expect.any(Number) }]);
  await new Promise(setImmediate); // an unhandled rejection would fail the test
  const expected = failure === null ? [] : [`run test: onWarning failed at nonfinite: ${failure}`];
  expect(lines.filter((line) => line.includes('onWarning'))).toEqual(expected);
});

test('warnings() has none of an earlier process, whose warnings end where the run begins anew', async () => {
  const runs = temporaryFolder();
  const first = await start({ runs });
  train(first.monitor, Number.NaN, () => first.monitor.warnings().length > 0);
  await first.monitor.close();
  const { monitor } = await start({ runs });
  train(monitor, 3, () => monitor.compositeGain !== null);
  expect(monitor.warnings()).toEqual([]);
  expect(await json<WarningAnswer[]>(monitor, 'api/v1/runs/test/warnings')).toMatchObject([{ rule: 'nonfinite', step: 1, active: false }]);
});

test('a run that goes on from a checkpoint keeps its numbers, and what it was warned of is not raised again', async () => {
  const runs = temporaryFolder();
  const first = await start({ runs });
  // NaN to the end: on a busy machine the warning would else have cleared before it comes back.
  train(first.monitor, Number.NaN, () => first.monitor.warnings().length > 0, Number.NaN);
  await first.monitor.close();
  const warned: Warning[] = [];
  const { monitor } = await start({ runs, firstStep: 10_000, onWarning: (warning) => void warned.push(warning) });
  train(monitor, Number.NaN, () => monitor.compositeGain !== null);
  expect(warned).toEqual([]);
  const steps = async () => (await json<SeriesAnswer>(monitor, 'api/v1/runs/test/series?measure=loss')).steps;
  await expect.poll(steps).toContain(10_000);
  expect((await steps())[0]).toBe(1);
  expect(await json<WarningAnswer[]>(monitor, 'api/v1/runs/test/warnings')).toMatchObject([{ rule: 'nonfinite', step: 1 }]);
});

test('a notice that does not arrive before the end is reported, though it is the last line', async () => {
  const { monitor, lines } = await start({ notify: 'http://127.0.0.1:1/hook' });
  train(monitor, Number.NaN, () => monitor.warnings().length > 0);
  await monitor.close();
  expect(lines).toContainEqual(expect.stringMatching(/^notify http:\/\/127\.0\.0\.1:1: .*; trying again$/));
  expect(lines).toContainEqual(expect.stringMatching(/^notify http:\/\/127\.0\.0\.1:1: a warning could not be sent/));
});
