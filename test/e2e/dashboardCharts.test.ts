/** The charts of the dashboard in a real Chromium, over recorded runs: what they show, zoom, cursor, gaps and exports. */
import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { shown } from '../../dashboard/model/format.ts';
import type { StepAnswer } from '../../src/telemetry/api.ts';
import { buttonOf, hashOf, linesOf, panelOf, pointsOf, see, textOf } from '../support/browser.ts';
import { findChromium } from '../support/programs.ts';
import { isPressed, SOON, toolbarButton, useRecordedPage } from '../support/recordedPage.ts';
import { BROKEN, GAP, STEPS } from '../support/recordings.ts';

const executablePath = findChromium();

describe.skipIf(executablePath === null)('charts over recordings', () => {
  const { open, ask } = useRecordedPage(executablePath!);
  const press = (page: Page, name: string) => toolbarButton(page, name).click();
  const boxOf = async (page: Page) => (await panelOf(page, 'gain').locator('.chart-plot canvas').boundingBox())!;

  test('the gain: worst eight, the picked ones, the envelope; layer or composite, both directions, smoothed', async () => {
    const { page } = await open();
    await expect.poll(async () => (await linesOf(page, 'gain')).length, SOON).toBeGreaterThan(6);
    const labels = (await linesOf(page, 'gain')).map(({ label }) => label);
    expect(labels).toEqual(expect.arrayContaining(['block2.mlp', expect.stringMatching(/^all 6/)]));
    const newest = async () => (await linesOf(page, 'gain')).find(({ label }) => label === 'block1.mlp')?.value;
    const { measures } = await ask<StepAnswer>('runs/hc/steps/latest');
    const value = (measure: string) => measures[measure][3] as number;
    await press(page, 'layer');
    expect(await isPressed(page, 'layer')).toBe('true');
    await expect.poll(newest, SOON).toBe(shown(value('forwardGain')));
    await press(page, 'backward');
    await expect.poll(newest, SOON).toBe(shown(value('backwardGain')));
    await press(page, 'forward');
    await page.getByLabel('Smoothing').fill('0.9');
    await expect.poll(async () => Number(await newest()), SOON).toBeLessThan(0.99 * value('forwardGain'));
    await press(page, 'linear');
    expect(await isPressed(page, 'log')).toBe('false');
    await press(page, 'wall clock');
    expect(await isPressed(page, 'wall clock')).toBe('true');
    await expect.poll(() => page.url()).toMatch(/gain=layer.*x=time.*log=false.*smooth=0.9/);
  });

  test('zoom by dragging, full resolution, pan, follow, reset', async () => {
    const { page } = await open();
    await expect.poll(() => pointsOf(page, 'gain'), SOON).toBeGreaterThan(100);
    const box = await boxOf(page);
    const drag = async (from: number, to: number) => {
      await page.mouse.move(box.x + box.width * from, box.y + box.height / 2);
      await page.mouse.down();
      await page.mouse.move(box.x + box.width * to, box.y + box.height / 2, { steps: 8 });
      await page.mouse.up();
    };
    await drag(0.3, 0.45);
    const range = () => ['from', 'to'].map((end) => Number(hashOf(page).get(end)));
    await expect.poll(() => range()[1], SOON).toBeGreaterThan(0);
    const [from, to] = range();
    expect(to - from).toBeLessThan(0.3 * STEPS);
    expect(await isPressed(page, 'follow newest')).toBe('false');
    // Every step of the shown ones is a point.
    await expect.poll(() => pointsOf(page, 'gain'), SOON).toBe(to - from + 1);
    await page.keyboard.down('Shift');
    await drag(0.6, 0.4);
    await page.keyboard.up('Shift');
    await expect.poll(() => range()[0], SOON).toBeGreaterThan(from);
    await press(page, 'follow newest');
    await expect.poll(() => isPressed(page, 'follow newest')).toBe('true');
    await press(page, 'all steps');
    await expect.poll(() => page.url()).not.toMatch(/from=/);
  });

  test('one cursor across all charts, by pointer and by keys', async () => {
    const { page } = await open('#run=hc', { width: 1440, height: 3400 });
    for (const id of ['loss', 'gain']) await expect.poll(() => pointsOf(page, id), SOON).toBeGreaterThan(100);
    const box = await boxOf(page);
    const hair = (id: string) => panelOf(page, id).locator('.chart-hair').isVisible();
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    for (const id of ['gain', 'loss', 'stepTime']) await expect.poll(() => hair(id)).toBe(true);
    const values = () => textOf(panelOf(page, 'loss').locator('.chart-values'));
    const before = await values();
    await page.mouse.move(box.x + box.width / 2, box.y - 60);
    await page.keyboard.press('ArrowLeft');
    await page.keyboard.press('ArrowLeft');
    await expect.poll(values).not.toBe(before);
    await page.keyboard.press('Escape');
    await expect.poll(() => hair('gain')).toBe(false);
  });

  test('gaps are gaps, and what is no number is marked as such', async () => {
    const rowOf = (page: Page, step: number) => page.locator('#table-loss tr', { hasText: new RegExp(`^\\s*${step}`) });
    const broken = await open(`#run=hc&from=${BROKEN - 10}&to=${BROKEN + 10}&follow=false`);
    await expect.poll(() => pointsOf(broken.page, 'loss'), SOON).toBe(21);
    await buttonOf(broken.page, 'loss', /table/).click();
    await expect.poll(() => textOf(rowOf(broken.page, BROKEN))).toContain('NaN');
    await see(broken.page, 'heatmap');
    await expect.poll(() => textOf(panelOf(broken.page, 'heatmap').locator('.hm-legend'))).toMatch(/NaN.*no step/);
    const { page } = await open(`#run=hc&from=${GAP.from - 5}&to=${GAP.to + 5}&follow=false`);
    await expect.poll(() => pointsOf(page, 'loss'), SOON).toBe(10);
    await buttonOf(page, 'loss', /table/).click();
    await expect.poll(() => rowOf(page, GAP.from - 1).count()).toBe(1);
    for (const step of [GAP.from, GAP.to]) expect(await rowOf(page, step).count()).toBe(0);
  });

  test('PNG, CSV and JSON of what a chart shows', async () => {
    const { page } = await open('#run=hc&from=690&to=710&follow=false');
    await expect.poll(() => pointsOf(page, 'loss'), SOON).toBe(21);
    const saved = async (id: string, kind: string) => {
      await see(page, id);
      const [download] = await Promise.all([page.waitForEvent('download'), buttonOf(page, id, new RegExp(`save as ${kind}`)).click()]);
      return readFileSync(await download.path());
    };
    for (const chart of ['loss', 'gain', 'heatmap', 'memory', 'stepTime'])
      expect((await saved(chart, 'PNG')).subarray(1, 4).toString(), chart).toBe('PNG');
    const csv = (await saved('loss', 'CSV')).toString().trim().split(/\r?\n/);
    expect(csv[0]).toMatch(/step.*loss/);
    expect(csv.filter((line) => /^\d/.test(line)).length).toBeGreaterThanOrEqual(21);
    expect(csv.some((line) => line.startsWith(`${BROKEN},`) && line.includes('NaN'))).toBe(true);
    expect(JSON.stringify(JSON.parse((await saved('loss', 'JSON')).toString()))).toContain('"NaN"');
    expect((await saved('memory', 'CSV')).toString()).toContain('block2.mlp');
  });
});
