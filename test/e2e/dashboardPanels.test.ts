/** The panels of the dashboard in a real Chromium, over recorded runs: heatmap, connection, warnings, runs and memory. */
import { describe, expect, test } from 'vitest';
import { shown } from '../../dashboard/model/format.ts';
import type { SeriesAnswer, StepAnswer, WarningAnswer } from '../../src/telemetry/api.ts';
import { buttonOf, chooseRun, hashOf, linesOf, panelOf, see, textOf } from '../support/browser.ts';
import { findChromium } from '../support/programs.ts';
import { SOON, useRecordedPage } from '../support/recordedPage.ts';

const executablePath = findChromium();

describe.skipIf(executablePath === null)('panels over recordings', () => {
  const { open, ask } = useRecordedPage(executablePath!);

  test('the heatmap: sorted, filtered, and a row opens its connection', async () => {
    const { page } = await open();
    const heatmap = panelOf(page, 'heatmap');
    const rows = () => heatmap.locator('.hm-labels span').allTextContents();
    const sort = (name: string) => buttonOf(page, 'heatmap', name);
    const map = heatmap.getByRole('application');
    await map.scrollIntoViewIfNeeded();
    await expect.poll(rows, SOON).toHaveLength(6);
    expect((await rows())[0]).toBe('block0.attention');
    await sort('Gain').click();
    await expect.poll(async () => (await rows())[0], SOON).toMatch(/block1.mlp|block2/);
    await sort('Steps left').click();
    await expect.poll(() => sort('Steps left').getAttribute('aria-pressed')).toBe('true');
    await sort('Layer').click();
    const box = (await map.boundingBox())!;
    await map.click({ position: { x: box.width * 0.6, y: 0.42 * box.height } });
    await expect.poll(() => hashOf(page).get('open')).toMatch(/^block\d\.(attention|mlp)$/);
    await expect.poll(() => panelOf(page, 'connection').locator('select').inputValue()).toBe(hashOf(page).get('open'));
    const filter = page.getByLabel('Filter');
    await filter.fill('mlp$');
    await expect.poll(rows, SOON).toEqual(['block0.mlp', 'block1.mlp', 'block2.mlp']);
    await filter.fill('(');
    await expect.poll(() => filter.getAttribute('aria-invalid')).toBe('true');
  });

  test('steps are left to the limit of the run: 1000 where connections are free, n / 2 where they are bounded', async () => {
    for (const [run, limit] of [
      ['hc', '1000'],
      ['mhc', '2'],
    ]) {
      const { page } = await open(`#run=${run}`);
      await see(page, 'heatmap');
      await buttonOf(page, 'heatmap', /table/).click();
      await expect.poll(() => page.locator('#table-heatmap th[scope=col]').allTextContents(), SOON).toContain(`steps left to ${limit}`);
      expect(await buttonOf(page, 'heatmap', 'Steps left').getAttribute('title')).toContain(`to a gain of ${limit} `);
    }
  });

  test('an open connection: its matrix with sums, its measures and its memory', async () => {
    const { page } = await open('#run=hc&open=block1.mlp');
    const panel = panelOf(page, 'connection');
    const matrix = panel.locator('.cn-matrix');
    await matrix.scrollIntoViewIfNeeded();
    const latest = await ask<StepAnswer>('runs/hc/steps/latest');
    const cells = await matrix.locator('td').allInnerTexts();
    for (const value of latest.mapping[3]) expect(cells.some((cell) => Number(cell) === Number((value as number).toFixed(3)))).toBe(true);
    expect(await textOf(matrix)).toContain('0.99');
    expect(await textOf(panel.locator('.cn-measures'))).toContain(shown(latest.measures['forwardGain'][3] as number));
    await buttonOf(page, 'connection', 'Next connection').click();
    await expect.poll(() => hashOf(page).get('open')).toBe('block2.attention');
    await buttonOf(page, 'connection', 'Draw its line').click();
    await expect.poll(() => hashOf(page).get('picked')).toBe('block2.attention');
  });

  test('warnings: timeline, what the measures did around one, the runbook, and an acknowledgement that stays', async () => {
    const { page } = await open();
    const warnings = await ask<WarningAnswer[]>('runs/hc/warnings');
    const known = warnings.find(({ severity, rule }) => severity === 'critical' && rule === 'gain-forecast')!;
    await see(page, 'warnings');
    const panel = panelOf(page, 'warnings');
    await panel.locator('.timeline').waitFor();
    const row = panel.getByRole('row', { name: known.message });
    await row.getByRole('button', { name: 'Around it' }).click();
    await panel.locator('.around').waitFor();
    await expect.poll(() => panel.locator('.around svg').count(), SOON).toBe(4);
    await row.getByRole('button', { name: 'Runbook' }).click();
    await expect.poll(() => textOf(page.getByRole('dialog', { name: /^Runbook/ }))).toContain('Save a checkpoint');
    await page.keyboard.press('Escape');
    await row.getByRole('button', { name: 'Acknowledge' }).click();
    await expect
      .poll(async () => (await ask<WarningAnswer[]>('runs/hc/warnings'))[known.id].acknowledgedTime, SOON)
      .toBeGreaterThan(Date.now() - 60_000);
    await expect.poll(() => row.textContent()).toMatch(/known/i);
    await panel.getByRole('button', { name: 'Show in charts' }).click();
    await expect.poll(() => page.url()).toMatch(/from=\d+.*to=\d+/);
  });

  test('several runs overlaid, a legend that toggles, and a table of runs', async () => {
    const { page } = await open();
    await see(page, 'runs');
    for (const run of ['mhc', 'residual']) await page.getByLabel(`Overlay ${run}`).check();
    const labels = async () => (await linesOf(page, 'gain')).map(({ label }) => label);
    await expect.poll(labels, SOON).toEqual(expect.arrayContaining([expect.stringContaining('mhc'), expect.stringContaining('residual')]));
    const count = (await labels()).length;
    await buttonOf(page, 'gain', 'mhc').click();
    await expect.poll(async () => (await labels()).length, SOON).toBe(count - 1);
    await expect.poll(() => page.url()).toMatch(/compare=mhc.*compare=residual.*hidden=mhc/);
    await see(page, 'runs');
    const table = () => textOf(panelOf(page, 'runs'));
    await expect.poll(table, SOON).toMatch(/residual[\s\S]*interrupted/);
    const { series } = await ask<SeriesAnswer>('runs/hc/series?measure=compositeGain&points=1');
    expect(await table()).toContain(shown(series[0].max[0] as number, 3));
  });

  test('memory by connection and kind, and what is not known is said', async () => {
    const { page } = await open();
    const panel = panelOf(page, 'memory');
    await see(page, 'memory');
    await expect.poll(() => textOf(panel), SOON).toContain('8.58 MiB');
    await buttonOf(page, 'memory', /table/).click();
    expect(await textOf(page.locator('#table-memory'))).toContain('block2.mlp');
    await chooseRun(page, 'residual');
    await see(page, 'memory');
    await expect.poll(() => textOf(panel), SOON).toMatch(/not known/i);
  });
});
