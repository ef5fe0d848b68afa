/** The dashboard in a real Chromium, over recorded runs: the verdict, the view as a whole, and what is wrong with the page itself. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { shown } from '../../dashboard/model/format.ts';
import type { StepAnswer, WarningAnswer } from '../../src/telemetry/api.ts';
import {
  bannerOf,
  buttonOf,
  chooseRun,
  factOf,
  hashOf,
  levelOf,
  linesOf,
  overlaps,
  panelOf,
  pointsOf,
  type Size,
  see,
  seeAll,
  textOf,
  violations,
} from '../support/browser.ts';
import { findChromium } from '../support/programs.ts';
import { ARTEFACTS, DESK, isPressed, SOON, toolbarButton, useRecordedPage } from '../support/recordedPage.ts';
import { STEPS } from '../support/recordings.ts';
import { openTunnel } from '../support/tunnel.ts';

const executablePath = findChromium();

describe.skipIf(executablePath === null)('the dashboard over recordings', () => {
  const { visit, open, ask, url, folder } = useRecordedPage(executablePath!);

  test('a verdict first: in words, with the connection, the steps left and the end; tab and icon follow', async () => {
    const { page, problems } = await open();
    const warnings = await ask<WarningAnswer[]>('runs/hc/warnings');
    const worst = warnings.filter(({ active, severity }) => active && severity === 'critical');
    expect(worst.length).toBeGreaterThan(0);
    expect(await levelOf(page)).toBe('Act');
    expect(await textOf(page.getByRole('region', { name: 'Verdict' }))).toMatch(/since step \d+/);
    expect(await textOf(page.locator('.verdict-connection'))).toBe(worst[0].connection);
    expect(await factOf(page, 'the run')).toBe('completed');
    expect(await factOf(page, 'step')).toBe(String(STEPS));
    const latest = await ask<StepAnswer>('runs/hc/steps/latest');
    expect(await factOf(page, 'G')).toBe(shown(latest.compositeGain as number));
    expect(await factOf(page, 'loss')).toBe(shown(latest.loss as number));
    await expect.poll(() => page.title()).toMatch(/act.*hc/i);
    const icon = await page.locator('#icon').getAttribute('href');
    await chooseRun(page, 'mhc');
    await expect.poll(() => levelOf(page)).toBe('Healthy');
    await expect.poll(() => page.title()).toMatch(/healthy.*mhc/i);
    await expect.poll(() => page.locator('#icon').getAttribute('href')).not.toBe(icon);
    expect(problems).toEqual([]);
  });

  test('without a run in the address the one that is warned of most; one that is not there is said, and no other shown', async () => {
    const { page } = await open('');
    await expect.poll(() => page.title(), SOON).toMatch(/act.*hc/i);
    const lost = await visit('#run=nope');
    await expect.poll(() => bannerOf(lost.page), SOON).toContain('nope is not among the runs here');
    expect(await levelOf(lost.page)).toBe('Unknown');
  });

  test('the view is in the address: opened anew and as a copied link it is the same', async () => {
    const hash =
      '#run=hc&compare=mhc&gain=layer&direction=backward&picked=block0.mlp&filter=mlp&smooth=0.5&from=100&to=400&follow=false&sort=gain&open=block0.mlp&severities=critical%2Cwarning%2Cinfo&warning=1&around=50&order=gain-descending';
    const { page } = await open(hash);
    expect(await isPressed(page, 'layer')).toBe('true');
    expect(await page.getByLabel('Filter').inputValue()).toBe('mlp');
    await toolbarButton(page, 'Copy link').click();
    await expect.poll(() => page.evaluate(() => navigator.clipboard.readText())).toBe(`${url()}${hash}`);
    await see(page, 'warnings');
    await panelOf(page, 'warnings').locator('.around').waitFor();
    expect(await buttonOf(page, 'warnings', /^info/).getAttribute('aria-pressed')).toBe('true');
    const again = await open(hash);
    const lines = () => linesOf(page, 'gain');
    await expect.poll(async () => (await lines()).length, SOON).toBeGreaterThan(3);
    await expect.poll(async () => (await linesOf(again.page, 'gain')).length, SOON).toBeGreaterThan(3);
    expect(await linesOf(again.page, 'gain')).toEqual(await lines());
  });

  test('keys: help, filter, log, follow; the focus is seen', async () => {
    const { page } = await open();
    const help = page.getByRole('dialog', { name: 'Keys' });
    await page.keyboard.press('?');
    await help.waitFor();
    await page.keyboard.press('Escape');
    await expect.poll(() => help.isVisible()).toBe(false);
    await page.keyboard.press('y');
    await expect.poll(() => isPressed(page, 'linear')).toBe('true');
    await page.keyboard.press('f');
    await expect.poll(() => isPressed(page, 'follow newest')).toBe('false');
    await page.keyboard.press('/');
    await page.keyboard.type('block1y');
    expect(await page.getByLabel('Filter').inputValue()).toBe('block1y');
    expect(await isPressed(page, 'linear')).toBe('true');
    await page.keyboard.press('Tab');
    await page.keyboard.press('?');
    await help.getByRole('checkbox').uncheck();
    await page.keyboard.press('Escape');
    await page.keyboard.press('y');
    await page.keyboard.press('ArrowLeft');
    expect(await isPressed(page, 'linear')).toBe('true');
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement!).outlineStyle);
    expect(outline).not.toBe('none');
  });

  test('a tunnel that hangs without a word is noticed, and what comes after it', async () => {
    const tunnel = await openTunnel(Number(new URL(url()).port));
    onTestFinished(() => tunnel.cut());
    const { page } = await open('#run=hc', DESK, 'light', url().replace(/:\d+\//, `:${tunnel.port}/`));
    tunnel.hang();
    await expect.poll(() => bannerOf(page), { timeout: 60_000 }).toMatch(/lost since/);
    await tunnel.mend();
    await expect.poll(() => bannerOf(page), { timeout: 60_000 }).toBe('');
  }, 150_000);

  test('a dropped recording is checked, and opened read-only', async () => {
    const { page } = await open();
    const choose = (name: string, buffer: Buffer) =>
      page.getByLabel('Recording', { exact: true }).setInputFiles({ name, mimeType: 'application/octet-stream', buffer });
    await choose('rubbish.sqlite', Buffer.from('this is no recording'));
    await expect.poll(() => textOf(page.getByRole('region', { name: 'Upload' })), SOON).toMatch(/rubbish\.sqlite was not taken: /);
    await choose('mhc.sqlite', readFileSync(join(folder(), 'mhc.sqlite')));
    await expect.poll(() => hashOf(page).get('run'), SOON).toBe('mhc-2');
    await expect.poll(() => levelOf(page), SOON).toBe('Healthy');
    await see(page, 'runs');
    await expect.poll(() => textOf(panelOf(page, 'runs'))).toMatch(/uploaded/);
  });

  test.each<[Size, 'light' | 'dark']>([
    [DESK, 'light'],
    [DESK, 'dark'],
    [{ width: 390, height: 844 }, 'light'],
    [{ width: 360, height: 740 }, 'dark'],
    [{ width: 3840, height: 2160 }, 'light'],
  ])(
    'at %j, %s: nothing overlaps or sticks out, axe-core finds nothing, no complaint',
    async (size, scheme) => {
      const { page, problems } = await open('#run=hc&compare=mhc', size, scheme);
      await expect.poll(() => pointsOf(page, 'gain'), SOON).toBeGreaterThan(50);
      const picture = (name: string) => page.screenshot({ path: join(ARTEFACTS, `dashboard-${size.width}-${scheme}${name}.png`) });
      await picture('');
      await seeAll(page, size);
      for (const id of ['deviation', 'loss', 'stepTime']) await expect.poll(() => pointsOf(page, id), SOON).toBeGreaterThan(50);
      await picture('-whole');
      expect(await overlaps(page)).toEqual([]);
      expect(await violations(page)).toEqual([]);
      expect(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)).toBe(0);
      expect(problems).toEqual([]);
    },
    90_000,
  );
});
