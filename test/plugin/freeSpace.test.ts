/** In what time a disk is full, from what was measured of it, and when that is told; and what a scrape is told of a real one. */
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openRun } from '../../dist/plugin/pipeline/pipeline.js';
import { addFree, createFreeSpace, freeBytes, noteTold, spanPhrase, timeLeftSeconds } from '../../plugin/recorder/freeSpace.ts';
import { temporaryFolder } from '../support/folders.ts';
import { testHeader } from '../support/samples.ts';
import { start } from '../support/service.ts';

const MIB = 2 ** 20;
const HALF_MINUTE = 30_000;

/** Measured each half minute, `free` bytes at the i-th. */
function measured(length: number, free: (i: number) => number) {
  const space = createFreeSpace();
  for (let i = 0; i < length; i++) addFree(space, i * HALF_MINUTE, free(i));
  return space;
}

test('nothing is known before the first, the time left not before two minutes', () => {
  expect(freeBytes(createFreeSpace())).toBe(null);
  expect(timeLeftSeconds(createFreeSpace())).toBe(null);
  expect(timeLeftSeconds(measured(4, (i) => (1000 - i) * MIB))).toBe(null);
  expect(timeLeftSeconds(measured(5, (i) => (1000 - i) * MIB))).toBe(996 * 30);
});

test('a disk that fills evenly is full when it says, whatever its size and pace; one that does not, never', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 5, max: 200 }),
      fc.integer({ min: 0, max: 100 }),
      fc.integer({ min: 100, max: 1e6 }),
      (length, pace, left) => {
        const space = measured(length, (i) => (left + (length - 1 - i) * pace) * MIB);
        expect(freeBytes(space)).toBe(left * MIB);
        if (pace === 0) expect(timeLeftSeconds(space)).toBe(Number.POSITIVE_INFINITY);
        else expect(timeLeftSeconds(space)! / ((left / pace) * 30)).toBeCloseTo(1, 9);
      },
    ),
  );
});

test('files that come and go do not move it: a spike, room that is made, a sawtooth', () => {
  const pace = (i: number) => (100_000 - 10 * i) * MIB;
  const expected = timeLeftSeconds(measured(60, pace))!;
  for (const other of [(i: number) => (i === 30 ? -50_000 : 0), (i: number) => (i < 5 ? -40_000 : 0), (i: number) => -(i % 3)]) {
    const left = timeLeftSeconds(measured(60, (i) => pace(i) + other(i) * MIB))!;
    expect(left / expected).toBeGreaterThan(0.8);
    expect(left / expected).toBeLessThan(1.25);
  }
});

test('it forgets what was half an hour ago', () => {
  const space = measured(200, (i) => (i < 100 ? 100_000 - 500 * i : 50_000) * MIB);
  expect(timeLeftSeconds(space)).toBe(Number.POSITIVE_INFINITY);
});

test('a full disk is full, although it does not fill any more', () => {
  expect(timeLeftSeconds(measured(1, () => 0))).toBe(0);
  expect(timeLeftSeconds(measured(60, () => 4 * MIB))).toBe(0);
});

test('what is left is told below a day, an hour and five minutes, once each, and again after there was more', () => {
  const space = createFreeSpace();
  const told: string[] = [];
  let at = 0;
  let free = 100_000;
  const run = (steps: number, pace: number) => {
    for (let i = 0; i < steps; i++, at += HALF_MINUTE) {
      free -= pace;
      addFree(space, at, free * MIB);
      const left = noteTold(space);
      if (left !== null) told.push(spanPhrase(left));
    }
  };
  run(60, 0);
  expect(told).toEqual([]);
  run(999, 100);
  expect(told).toHaveLength(3);
  expect(told.map((span) => span.split(' ')[1])).toEqual(['h', 'min', 'min']);
  free += 300_000;
  run(120, 0);
  run(2999, 100);
  expect(told).toHaveLength(6);
});

test('a burst of two minutes is no trend: a day is told after half an hour only', () => {
  const space = createFreeSpace();
  const told = Array.from({ length: 40 }, (_, i) => {
    addFree(space, i * HALF_MINUTE, (1e6 - Math.min(i, 8) * 1000) * MIB);
    return noteTold(space);
  });
  expect(told.filter((left) => left !== null)).toEqual([]);
});

test('a disk that is full at the start is told at once', () => {
  const space = measured(1, () => 0);
  expect(noteTold(space)).toBe(0);
  expect(noteTold(space)).toBe(null);
});

test('a scrape has the free space of the disk of the recordings, whose folder need not be there yet, and whether a run is not recorded', async () => {
  const service = await start({ directory: join(temporaryFolder(), 'not', 'yet') });
  const scrape = async () => (await fetch(`${service.url}metrics`)).text();
  await expect.poll(scrape).toMatch(/^mhc_monitor_disk_free_bytes [1-9]/m);
  const run = openRun(service.pipeline, testHeader('hc'));
  expect(await scrape()).toContain('mhc_monitor_recording_failing{run="hc"} 0');
  run.recordingProblem = 'the disk is full';
  expect(await scrape()).toContain('mhc_monitor_recording_failing{run="hc"} 1');
});

test('where nothing is kept there is no disk to be full', async () => {
  const service = await start({ record: false });
  const text = await (await fetch(`${service.url}metrics`)).text();
  expect(text).not.toMatch(/^mhc_monitor_disk_free_bytes \d/m);
});
