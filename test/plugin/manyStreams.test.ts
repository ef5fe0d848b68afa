/** Connections of 1 to 32 streams: on the wire, in measures, recording, upload and answers. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { separation } from '../../src/measures/separation.ts';
import { singularValues } from '../../src/measures/singularValues.ts';
import { seededRandom } from '../../src/model/random.ts';
import type { RunDetail, StepAnswer } from '../../src/telemetry/api.ts';
import { fromWire } from '../../src/telemetry/wire.ts';
import { temporaryFolder } from '../support/folders.ts';
import { bodiesOf, close, expectedOf, ranOf } from '../support/growing.ts';
import { product } from '../support/matrices.ts';
import { json, start } from '../support/service.ts';
import { upload } from '../support/uploads.ts';
import { sendJson, sendState, sendSteps } from '../support/wire.ts';

test.each([1, 9, 16, 32])('n = %i goes through', async (n) => {
  const directory = temporaryFolder();
  const service = await start({ directory });
  const steps = [
    ['a', 'b'],
    ['a', 'b', 'c'],
  ].map((names, i) => ranOf('wide', i + 1, names, n));
  for (const { sample } of steps) sample.mappings.forEach((value, k, all) => void all.set([value / 3], k));
  expect((await sendSteps(service, 'wide', bodiesOf(steps))).status).toBe(200);
  const answer = await json<StepAnswer>(service, 'api/v1/runs/wide/steps/latest');
  const { forward, compositeGain } = expectedOf(steps[1]);
  expect(answer.measures['compositeForwardGain'].map(fromWire)).toEqual([...forward.values()].map(close));
  expect(fromWire(answer.compositeGain)).toEqual(close(compositeGain));
  expect(answer.mapping.map((matrix) => matrix.length)).toEqual([n * n, n * n, n * n]);
  expect(await json<RunDetail>(service, 'api/v1/runs/wide')).toMatchObject({ streams: n });
  await sendState(service, 'wide', { state: 'closed', attempt: 'first' });
  const other = await start();
  expect((await upload(other, readFileSync(join(directory, 'wide.sqlite')))).status).toBe(201);
});

test('n = 33 is refused', async () => {
  const service = await start();
  const { answer } = await sendSteps(service, 'wide', bodiesOf([ranOf('wide', 1, ['a'], 33)]));
  expect(answer.error).toMatchObject({ field: 'a.shape', rule: 'must be [tokens, n, n] or [n, n] with n from 1 to 32' });
  expect((await sendJson(service, 'wide', { step: 1, order: ['a'], streams: 33 })).answer.error?.field).toBe('streams');
});

/** I − 2vvᵀ for a random v: orthogonal. */
function reflection(m: number, random: () => number): Float64Array {
  const v = Array.from({ length: m }, () => random() - 0.5);
  const square = v.reduce((sum, x) => sum + x * x, 0);
  return Float64Array.from({ length: m * m }, (_, k) => (k % (m + 1) === 0 ? 1 : 0) - (2 * v[Math.floor(k / m)] * v[k % m]) / square);
}

test.each([2, 7, 8, 15, 31])('law: singular values of a product of %i × %i with known ones', (m) => {
  const random = seededRandom(m);
  for (let round = 0; round < 20; round++) {
    // Far apart, equal ones and zeros among them.
    const values = Array.from({ length: m }, (_, i) => (i % 5 === 4 ? 0 : i % 3 === 2 ? 1 : 10 ** (6 * random() - 3)));
    let a = Float64Array.from({ length: m * m }, (_, k) => (k % (m + 1) === 0 ? values[k % m] : 0));
    for (let turn = 0; turn < 3; turn++) a = product(product(reflection(m, random), a, m), reflection(m, random), m);
    const found = new Float64Array(m);
    singularValues(a, m, found);
    const most = Math.max(...values);
    const sorted = [...values].sort((x, y) => x - y);
    for (const [i, value] of [...found].sort((x, y) => x - y).entries()) expect(Math.abs(value - sorted[i])).toBeLessThan(1e-13 * m * most);
  }
});

test('separation of many streams: a permutation keeps them apart, an even mix does not, what is broken is not known', () => {
  const n = 32;
  const shift = Float64Array.from({ length: n * n }, (_, k) => (k % n === (Math.floor(k / n) + 5) % n ? 1 : 0));
  expect(separation(shift, n).smallest).toBeCloseTo(1, 12);
  expect(separation(shift, n).mean).toBeCloseTo(1, 12);
  expect(separation(new Float64Array(n * n).fill(1 / n), n).smallest).toBeLessThan(1e-14);
  expect(separation(shift.with(7, Number.NaN), n).smallest).toBeNaN();
  expect(separation(shift.with(7, Number.POSITIVE_INFINITY), n).smallest).toBeNaN();
});
