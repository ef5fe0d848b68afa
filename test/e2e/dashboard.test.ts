/** The dashboard in a real Chromium, over recorded runs: one test for each thing that a person does with it. */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { shown } from '../../dashboard/format.ts';
import type { SeriesAnswer, StepAnswer, WarningAnswer } from '../../src/telemetry/api.ts';
import { chooseRun, launch, linesOf, openPage, overlaps, type Size, see, seeAll, text, violations } from '../support/browser.ts';
import { type Command, startCommand } from '../support/commandLine.ts';
import { temporaryFolder } from '../support/folders.ts';
import { findChromium } from '../support/programs.ts';
import { BROKEN, GAP, recordRuns, STEPS } from '../support/recordings.ts';
import { openTunnel } from '../support/tunnel.ts';

const executablePath = findChromium();
const ARTEFACTS = fileURLToPath(new URL('../artefacts/', import.meta.url));
const DESK: Size = { width: 1440, height: 900 };
const LAST = { timeout: 15_000 };

describe.skipIf(executablePath === null)('the dashboard over recordings', () => {
  let browser: Browser;
  let server: Command;
  let folder: string;

  beforeAll(async () => {
    mkdirSync(ARTEFACTS, { recursive: true });
    folder = temporaryFolder(afterAll);
    await recordRuns(folder);
    server = await startCommand(['serve', '--runs', folder, '--port', '0', '--base-path', '/watch']);
    browser = await launch(executablePath!);
  }, 120_000);

  afterAll(async () => {
    await browser?.close();
    await server?.stop();
  });

  async function open(hash = '#run=hc', size = DESK, scheme: 'light' | 'dark' = 'light', url = server.url) {
    const opened = await openPage(browser, `${url}${hash}`, size, scheme);
    onTestFinished(() => opened.page.context().close());
    await expect.poll(() => text(opened.page, 'verdict-step'), LAST).toMatch(/\d/);
    return opened;
  }
  const ask = async <T>(path: string) => (await (await fetch(`${server.url}api/v1/${path}`)).json()) as T;
  const attribute = (page: Page, id: string, name: string) => page.getByTestId(id).first().getAttribute(name);
  const pressed = (page: Page, id: string) => attribute(page, id, 'aria-pressed');

  test('a verdict first: in words, with the connection, the steps left and the end; tab and icon follow', async () => {
    const { page, problems } = await open();
    expect(await attribute(page, 'verdict', 'data-level')).toBe('act');
    const verdict = await text(page, 'verdict');
    const warnings = await ask<WarningAnswer[]>('runs/hc/warnings');
    const worst = warnings.filter(({ active, severity }) => active && severity === 'critical');
    expect(worst.length).toBeGreaterThan(0);
    expect(verdict).toMatch(/^\s*Act:/);
    expect(verdict).toMatch(/since step \d+/);
    expect(await text(page, 'verdict-connection')).toBe(worst[0].connection);
    expect(await text(page, 'verdict-ended')).toContain('completed');
    expect(await text(page, 'verdict-step')).toBe(String(STEPS));
    const latest = await ask<StepAnswer>('runs/hc/steps/latest');
    expect(await text(page, 'verdict-gain')).toBe(shown(latest.compositeGain as number));
    expect(await text(page, 'verdict-loss')).toBe(shown(latest.loss as number));
    await expect.poll(() => page.title()).toMatch(/act.*hc/i);
    const icon = await page.locator('#icon').getAttribute('href');
    await chooseRun(page, 'mhc');
    await expect.poll(() => attribute(page, 'verdict', 'data-level')).toBe('healthy');
    await expect.poll(() => page.title()).toMatch(/healthy.*mhc/i);
    await expect.poll(() => page.locator('#icon').getAttribute('href')).not.toBe(icon);
    expect(problems).toEqual([]);
  });

  test('without a run in the address the one that is warned of most; one that is not there is said, and no other shown', async () => {
    const { page } = await open('');
    await expect.poll(() => page.title(), LAST).toMatch(/act.*hc/i);
    const lost = await openPage(browser, `${server.url}#run=nope`, DESK);
    onTestFinished(() => lost.page.context().close());
    await expect.poll(() => text(lost.page, 'banner'), LAST).toContain('nope is not among the runs here');
    expect(await attribute(lost.page, 'verdict', 'data-level')).toBe('unknown');
  });

  test('the gain: worst eight, the picked ones, the envelope; layer or composite, both directions, smoothed', async () => {
    const { page } = await open();
    await expect.poll(async () => (await linesOf(page, 'gain')).length, LAST).toBeGreaterThan(6);
    const composite = await linesOf(page, 'gain');
    expect(composite.map(({ label }) => label)).toEqual(expect.arrayContaining(['block2.mlp', expect.stringMatching(/^all 6/)]));
    await page.getByTestId('gain-layer').click();
    expect(await pressed(page, 'gain-layer')).toBe('true');
    const newest = async (label: string) => (await linesOf(page, 'gain')).find((line) => line.label === label)?.last;
    const latest = await ask<StepAnswer>('runs/hc/steps/latest');
    await expect.poll(() => newest('block1.mlp'), LAST).toBeCloseTo(latest.measures['forwardGain'][3] as number, 3);
    await page.getByTestId('direction-backward').click();
    await expect.poll(() => newest('block1.mlp'), LAST).toBeCloseTo(latest.measures['backwardGain'][3] as number, 3);
    await page.getByTestId('direction-forward').click();
    await page.getByTestId('smooth').fill('0.9');
    await expect.poll(() => newest('block1.mlp'), LAST).toBeLessThan(0.99 * (latest.measures['forwardGain'][3] as number));
    await page.getByTestId('scale-linear').click();
    expect(await pressed(page, 'scale-log')).toBe('false');
    await page.getByTestId('x-time').click();
    expect(await pressed(page, 'x-time')).toBe('true');
    await expect.poll(() => page.url()).toMatch(/gain=layer.*x=time.*log=false.*smooth=0.9/);
  });

  test('zoom by dragging, full resolution, pan, follow, reset', async () => {
    const { page } = await open();
    await expect.poll(async () => (await linesOf(page, 'gain'))[0]?.points ?? 0, LAST).toBeGreaterThan(100);
    const box = (await page.getByTestId('chart-gain').boundingBox())!;
    const drag = async (from: number, to: number) => {
      await page.mouse.move(box.x + box.width * from, box.y + box.height / 2);
      await page.mouse.down();
      await page.mouse.move(box.x + box.width * to, box.y + box.height / 2, { steps: 8 });
      await page.mouse.up();
    };
    await drag(0.3, 0.45);
    const range = () => {
      const view = new URLSearchParams(new URL(page.url()).hash.slice(1));
      return [Number(view.get('from')), Number(view.get('to'))];
    };
    await expect.poll(() => range()[1], LAST).toBeGreaterThan(0);
    const [from, to] = range();
    expect(to - from).toBeLessThan(0.3 * STEPS);
    expect(await pressed(page, 'follow')).toBe('false');
    // Every step of the shown ones is a point.
    await expect.poll(async () => (await linesOf(page, 'gain'))[0].points, LAST).toBe(to - from + 1);
    await page.keyboard.down('Shift');
    await drag(0.6, 0.4);
    await page.keyboard.up('Shift');
    await expect.poll(() => range()[0], LAST).toBeGreaterThan(from);
    await page.getByTestId('follow').click();
    await expect.poll(() => pressed(page, 'follow')).toBe('true');
    await page.getByTestId('reset').click();
    await expect.poll(() => page.url()).not.toMatch(/from=/);
  });

  test('one cursor across all charts, by pointer and by keys', async () => {
    const { page } = await open('#run=hc', { width: 1440, height: 3400 });
    await expect.poll(async () => (await linesOf(page, 'loss'))[0]?.points ?? 0, LAST).toBeGreaterThan(100);
    await expect.poll(async () => (await linesOf(page, 'gain'))[0]?.points ?? 0, LAST).toBeGreaterThan(100);
    const box = (await page.getByTestId('chart-gain').boundingBox())!;
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    for (const id of ['gain', 'loss', 'stepTime']) await expect.poll(() => page.getByTestId(`cursor-${id}`).isVisible()).toBe(true);
    const values = () => page.getByTestId('lines-loss').textContent();
    const before = await values();
    await page.mouse.move(box.x + box.width / 2, box.y - 60);
    await page.keyboard.press('ArrowLeft');
    await page.keyboard.press('ArrowLeft');
    await expect.poll(values).not.toBe(before);
    await page.keyboard.press('Escape');
    await expect.poll(() => page.getByTestId('cursor-gain').isVisible()).toBe(false);
  });

  test('the heatmap: sorted, filtered, and a row opens its connection', async () => {
    const { page } = await open();
    const rows = async () => JSON.parse((await page.locator('[data-rows]').getAttribute('data-rows')) ?? '[]') as string[];
    await page.getByTestId('heatmap').scrollIntoViewIfNeeded();
    await expect.poll(rows, LAST).toHaveLength(6);
    expect((await rows())[0]).toBe('block0.attention');
    await page.getByTestId('sort-gain').click();
    await expect.poll(async () => (await rows())[0], LAST).toMatch(/block1.mlp|block2/);
    await page.getByTestId('sort-left').click();
    await expect.poll(() => pressed(page, 'sort-left')).toBe('true');
    await page.getByTestId('sort-layer').click();
    const box = (await page.getByTestId('heatmap').boundingBox())!;
    await page.getByTestId('heatmap').click({ position: { x: box.width * 0.6, y: 0.42 * box.height } });
    await expect.poll(() => page.url()).toMatch(/open=block\d\.(attention|mlp)/);
    const name = new URLSearchParams(new URL(page.url()).hash.slice(1)).get('open')!;
    await expect.poll(() => page.getByTestId('connection-picker').inputValue()).toBe(name);
    await page.getByTestId('filter').fill('mlp$');
    await expect.poll(rows, LAST).toEqual(['block0.mlp', 'block1.mlp', 'block2.mlp']);
    await page.getByTestId('filter').fill('(');
    await expect.poll(() => attribute(page, 'filter', 'aria-invalid')).toBe('true');
  });

  test('an open connection: its matrix with sums, its measures and its memory', async () => {
    const { page } = await open('#run=hc&open=block1.mlp');
    await page.getByTestId('matrix').scrollIntoViewIfNeeded();
    const latest = await ask<StepAnswer>('runs/hc/steps/latest');
    const cells = await page.getByTestId('matrix').locator('td').allInnerTexts();
    for (const value of latest.mapping[3]) expect(cells.some((cell) => Number(cell) === Number((value as number).toFixed(3)))).toBe(true);
    expect(await text(page, 'matrix')).toContain('0.99');
    const measures = await text(page, 'connection-measures');
    expect(measures).toContain(shown(latest.measures['forwardGain'][3] as number));
    await page.getByTestId('connection-next').click();
    await expect.poll(() => page.url()).toContain('open=block2.attention');
    await page.getByTestId('pick').click();
    await expect.poll(() => page.url()).toContain('picked=block2.attention');
  });

  test('warnings: timeline, what the measures did around one, the runbook, and an acknowledgement that stays', async () => {
    const { page } = await open();
    const warnings = await ask<WarningAnswer[]>('runs/hc/warnings');
    const known = warnings.find(({ severity, rule }) => severity === 'critical' && rule === 'gain-forecast')!;
    await see(page, 'warnings');
    await page.getByTestId('warnings-timeline').waitFor();
    const row = page.getByTestId(`warning-${known.id}`);
    await expect.poll(() => row.textContent(), LAST).toContain(known.message);
    await page.getByTestId(`around-${known.id}`).click();
    await page.getByTestId(`around-charts-${known.id}`).waitFor();
    await page.getByTestId(`runbook-${known.id}`).click();
    await expect.poll(() => text(page, 'runbook')).toContain('Save a checkpoint');
    await page.keyboard.press('Escape');
    await page.getByTestId(`ack-${known.id}`).click();
    await expect
      .poll(async () => (await ask<WarningAnswer[]>('runs/hc/warnings'))[known.id].acknowledgedTime, LAST)
      .toBeGreaterThan(Date.now() - 60_000);
    await expect.poll(() => row.textContent()).toMatch(/known/i);
    await page.getByTestId(`zoom-${known.id}`).click();
    await expect.poll(() => page.url()).toMatch(/from=\d+.*to=\d+/);
  });

  test('several runs overlaid, a legend that toggles, and a table of runs', async () => {
    const { page } = await open();
    await see(page, 'runs');
    for (const run of ['mhc', 'residual']) await page.getByTestId(`overlay-${run}`).check();
    await expect
      .poll(async () => (await linesOf(page, 'gain')).map(({ label }) => label), LAST)
      .toEqual(expect.arrayContaining([expect.stringContaining('mhc'), expect.stringContaining('residual')]));
    const count = (await linesOf(page, 'gain')).length;
    await page.getByTestId('legend-mhc').click();
    await expect.poll(async () => (await linesOf(page, 'gain')).length, LAST).toBe(count - 1);
    await expect.poll(() => page.url()).toMatch(/compare=mhc.*compare=residual.*hidden=mhc/);
    await see(page, 'runs');
    const table = () => page.getByTestId('panel-runs').textContent();
    await expect.poll(table, LAST).toMatch(/residual[\s\S]*interrupted/);
    const { series } = await ask<SeriesAnswer>('runs/hc/series?measure=compositeGain&points=1');
    expect(await table()).toContain(shown(series[0].max[0] as number, 3));
  });

  test('memory by connection and kind, and what is not known is said', async () => {
    const { page } = await open();
    await see(page, 'memory');
    await expect.poll(() => text(page, 'memory-total'), LAST).toContain('8.58 MiB');
    await page.getByTestId('toggle-table-memory').click();
    expect(await text(page, 'table-memory')).toContain('block2.mlp');
    await chooseRun(page, 'residual');
    await see(page, 'memory');
    await expect.poll(() => text(page, 'panel-memory'), LAST).toMatch(/not known/i);
  });

  test('gaps are gaps, and what is no number is marked as such', async () => {
    const broken = await open(`#run=hc&from=${BROKEN - 10}&to=${BROKEN + 10}&follow=false`);
    await expect.poll(async () => (await linesOf(broken.page, 'loss'))[0]?.points ?? 0, LAST).toBe(21);
    const rowOf = (page: Page, step: number) => page.getByTestId('table-loss').locator('tr', { hasText: new RegExp(`^\\s*${step}`) });
    await broken.page.getByTestId('toggle-table-loss').click();
    await expect.poll(() => rowOf(broken.page, BROKEN).textContent()).toContain('NaN');
    await see(broken.page, 'heatmap');
    await expect.poll(() => text(broken.page, 'heat-legend')).toMatch(/NaN.*no step/);
    const { page } = await open(`#run=hc&from=${GAP.from - 5}&to=${GAP.to + 5}&follow=false`);
    await expect.poll(async () => (await linesOf(page, 'loss'))[0]?.points ?? 0, LAST).toBe(10);
    await page.getByTestId('toggle-table-loss').click();
    await expect.poll(() => rowOf(page, GAP.from - 1).count()).toBe(1);
    for (const step of [GAP.from, GAP.to]) expect(await rowOf(page, step).count()).toBe(0);
  });

  test('the view is in the address: opened anew and as a copied link it is the same', async () => {
    const hash =
      '#run=hc&compare=mhc&gain=layer&direction=backward&picked=block0.mlp&filter=mlp&smooth=0.5&from=100&to=400&follow=false&sort=gain&open=block0.mlp&severities=critical%2Cwarning%2Cinfo&warning=1&around=50&order=gain-descending';
    const { page } = await open(hash);
    expect(await pressed(page, 'gain-layer')).toBe('true');
    expect(await page.getByTestId('filter').inputValue()).toBe('mlp');
    await page.getByTestId('copy').click();
    await expect.poll(() => page.evaluate(() => navigator.clipboard.readText())).toBe(`${server.url}${hash}`);
    await see(page, 'warnings');
    await page.getByTestId('around-charts-1').waitFor();
    expect(await pressed(page, 'severity-info')).toBe('true');
    const again = await open(hash);
    const lines = await linesOf(page, 'gain');
    expect(lines.length).toBeGreaterThan(3);
    await expect.poll(() => linesOf(again.page, 'gain'), LAST).toEqual(lines);
  });

  test('PNG, CSV and JSON of what a chart shows', async () => {
    const { page } = await open('#run=hc&from=690&to=710&follow=false');
    await expect.poll(async () => (await linesOf(page, 'loss'))[0]?.points ?? 0, LAST).toBe(21);
    const saved = async (id: string) => {
      const [download] = await Promise.all([page.waitForEvent('download'), page.getByTestId(id).click()]);
      return readFileSync(await download.path());
    };
    expect((await saved('png-loss')).subarray(1, 4).toString()).toBe('PNG');
    const csv = (await saved('csv-loss')).toString().trim().split(/\r?\n/);
    expect(csv[0]).toMatch(/step.*loss/);
    expect(csv.filter((line) => /^\d/.test(line)).length).toBeGreaterThanOrEqual(21);
    expect(csv.some((line) => line.startsWith(`${BROKEN},`) && line.includes('NaN'))).toBe(true);
    expect(JSON.stringify(JSON.parse((await saved('json-loss')).toString()))).toContain('"NaN"');
    for (const chart of ['gain', 'heatmap', 'memory', 'stepTime']) {
      await see(page, chart);
      expect((await saved(`png-${chart}`)).subarray(1, 4).toString(), chart).toBe('PNG');
    }
    await see(page, 'memory');
    expect((await saved('csv-memory')).toString()).toContain('block2.mlp');
  });

  test('keys: help, filter, log, follow; the focus is seen', async () => {
    const { page } = await open();
    await page.keyboard.press('?');
    await page.getByTestId('help-dialog').waitFor();
    await page.keyboard.press('Escape');
    await expect.poll(() => page.getByTestId('help-dialog').isVisible()).toBe(false);
    await page.keyboard.press('y');
    await expect.poll(() => pressed(page, 'scale-linear')).toBe('true');
    await page.keyboard.press('f');
    await expect.poll(() => pressed(page, 'follow')).toBe('false');
    await page.keyboard.press('/');
    await page.keyboard.type('block1y');
    expect(await page.getByTestId('filter').inputValue()).toBe('block1y');
    expect(await pressed(page, 'scale-linear')).toBe('true');
    await page.keyboard.press('Tab');
    await page.keyboard.press('?');
    await page.getByTestId('letters').uncheck();
    await page.keyboard.press('Escape');
    await page.keyboard.press('y');
    await page.keyboard.press('ArrowLeft');
    expect(await pressed(page, 'scale-linear')).toBe('true');
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement!).outlineStyle);
    expect(outline).not.toBe('none');
  });

  test('a tunnel that hangs without a word is noticed, and what comes after it', async () => {
    const tunnel = await openTunnel(Number(new URL(server.url).port));
    onTestFinished(() => tunnel.cut());
    const { page } = await open('#run=hc', DESK, 'light', new URL(server.url.replace(/:\d+\//, `:${tunnel.port}/`)).href);
    tunnel.hang();
    await expect.poll(() => text(page, 'banner'), { timeout: 60_000 }).toMatch(/lost since/);
    await tunnel.mend();
    await expect.poll(() => text(page, 'banner'), { timeout: 60_000 }).toBe('');
  }, 150_000);

  test('a dropped recording is checked, and opened read-only', async () => {
    const { page } = await open();
    const choose = (name: string, buffer: Buffer) =>
      page.getByTestId('open-recording-file').setInputFiles({ name, mimeType: 'application/octet-stream', buffer });
    await choose('rubbish.sqlite', Buffer.from('this is no recording'));
    await expect.poll(() => text(page, 'upload-status'), LAST).toMatch(/rubbish\.sqlite was not taken: /);
    await choose('mhc.sqlite', readFileSync(join(folder, 'mhc.sqlite')));
    await expect.poll(() => page.url(), LAST).toContain('run=mhc-2');
    await expect.poll(() => attribute(page, 'verdict', 'data-level'), LAST).toBe('healthy');
    await see(page, 'runs');
    await expect.poll(() => page.getByTestId('panel-runs').textContent()).toMatch(/uploaded/);
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
      await expect.poll(async () => (await linesOf(page, 'gain'))[0]?.points ?? 0, LAST).toBeGreaterThan(50);
      const picture = (name: string) => page.screenshot({ path: join(ARTEFACTS, `dashboard-${size.width}-${scheme}${name}.png`) });
      await picture('');
      await seeAll(page, size);
      for (const id of ['deviation', 'loss', 'stepTime'])
        await expect.poll(async () => (await linesOf(page, id))[0]?.points ?? 0, LAST).toBeGreaterThan(50);
      await picture('-whole');
      expect(await overlaps(page)).toEqual([]);
      expect(await violations(page)).toEqual([]);
      expect(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)).toBe(0);
      expect(problems).toEqual([]);
    },
    90_000,
  );
});
