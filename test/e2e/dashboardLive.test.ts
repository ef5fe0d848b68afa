/** The dashboard in a real Chromium, through a tunnel, while a run goes on. The tests are in the order of the run. */
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { shown } from '../../dashboard/model/format.ts';
import type { StepAnswer, WarningAnswer } from '../../src/telemetry/api.ts';
import { bannerOf, factOf, launch, levelOf, linesOf, openPage, panelOf, pointsOf, see, textOf } from '../support/browser.ts';
import { type Command, startCommand } from '../support/commandLine.ts';
import { temporaryFolder } from '../support/folders.ts';
import { type PacedRun, startPacedRun } from '../support/pacedRun.ts';
import { findChromium } from '../support/programs.ts';
import { ARTEFACTS, DESK, SOON } from '../support/recordedPage.ts';
import { start } from '../support/service.ts';
import { openTunnel, type Tunnel } from '../support/tunnel.ts';

const executablePath = findChromium();

describe.skipIf(executablePath === null)('the dashboard over a run that goes on', () => {
  let browser: Browser;
  let server: Command;
  let run: PacedRun;
  let tunnel: Tunnel;
  let runs: string;
  let page: Page;
  let problems: string[];

  beforeAll(async () => {
    browser = await launch(executablePath!);
    runs = temporaryFolder(afterAll);
    server = await startCommand(['serve', '--port', '0', '--runs', runs, '--base-path', '/watch']);
    run = startPacedRun(server.url);
    tunnel = await openTunnel(Number(new URL(server.url).port));
    const address = new URL(`${server.url}#run=hc`);
    address.port = String(tunnel.port);
    ({ page, problems } = await openPage(browser, address.href, DESK));
  }, 60_000);

  afterAll(async () => {
    await browser?.close();
    await server?.stop();
    await tunnel?.cut();
  });

  const ask = async <T>(path: string) => (await (await fetch(`${server.url}api/v1/${path}`)).json()) as T;
  const shownStep = async () => Number(await factOf(page, 'step'));
  const points = () => pointsOf(page, 'gain');
  /** Of G, as the legend has it. */
  const gain = async () => (await linesOf(page, 'gain')).find(({ label }) => label === 'G of hc')?.value;
  const hide = (hidden: boolean) =>
    page.evaluate((value) => {
      Object.defineProperty(document, 'hidden', { get: () => value, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    }, hidden);

  test('the verdict, the lines and the heatmap follow without a reload', async () => {
    await page.evaluate(() => Object.assign(window, { notReloaded: true }));
    await expect.poll(shownStep, SOON).toBeGreaterThan(2);
    const before = await shownStep();
    const drawn = await points();
    await expect.poll(shownStep, SOON).toBeGreaterThan(before + 5);
    await expect.poll(points, SOON).toBeGreaterThan(drawn + 5);
    expect(await textOf(page.locator('.verdict-facts li').first())).toMatch(/, \d+ s ago$/);
    await see(page, 'heatmap');
    const heatmap = panelOf(page, 'heatmap').getByRole('application');
    const columns = async () => Number(/over (\d+) columns/.exec((await heatmap.getAttribute('aria-label')) ?? '')?.[1]);
    await expect.poll(columns, SOON).toBeGreaterThan(10);
    expect(await page.evaluate(() => 'notReloaded' in window)).toBe(true);
  }, 90_000);

  test('a new warning is read out, and verdict, title and icon follow it', async () => {
    const announced = async () => (await page.locator('.announcer').allTextContents()).join(' ');
    await expect.poll(announced, { timeout: 60_000 }).toMatch(/(Warning|Critical): /);
    const heard = await announced();
    const messages = (await ask<WarningAnswer[]>('runs/hc/warnings')).map(({ message }) => message);
    expect(messages.some((message) => heard.includes(message))).toBe(true);
    await expect.poll(() => levelOf(page), SOON).toMatch(/Watch|Act/);
    await expect.poll(async () => (await page.title()).includes(`${(await levelOf(page)).toLowerCase()} – hc`)).toBe(true);
  }, 90_000);

  test('followed, a zoomed view moves with the newest step; else it stays', async () => {
    await expect.poll(shownStep, SOON).toBeGreaterThan(60);
    await page.evaluate(() => (location.hash = 'run=hc&from=20&to=50&follow=true'));
    await expect.poll(async () => (await linesOf(page, 'loss')).length, SOON).toBeGreaterThan(0);
    await expect.poll(points, SOON).toBeGreaterThan(0);
    const before = await gain();
    await expect.poll(gain, SOON).not.toBe(before);
    await page.evaluate(() => (location.hash = 'run=hc&from=20&to=50&follow=false'));
    await expect.poll(points, SOON).toBe(31);
    const still = await gain();
    const at = await shownStep();
    await expect.poll(shownStep, SOON).toBeGreaterThan(at + 3);
    expect(await gain()).toEqual(still);
    await page.getByRole('button', { name: 'all steps' }).click();
    // What came while other steps were looked at is there too, also in a chart that nobody saw meanwhile.
    for (const chart of ['gain', 'loss'])
      await expect.poll(async () => (await pointsOf(page, chart)) - (await shownStep()), SOON).toBeGreaterThanOrEqual(0);
    await see(page, 'gain');
  }, 90_000);

  test('a server beside it, which does not write the run, follows too', async () => {
    const beside = await start({ directory: runs }); // in this process, as in another training's: a second serve is refused
    const other = await openPage(browser, `${beside.url}#run=hc`, DESK);
    onTestFinished(() => other.page.context().close());
    const step = async () => Number(await factOf(other.page, 'step'));
    await expect.poll(step, SOON).toBeGreaterThan(2);
    const before = await step();
    await expect.poll(step, SOON).toBeGreaterThan(before + 5);
  }, 90_000);

  test('a hidden tab draws nothing, and shows all when it is seen again', async () => {
    await expect.poll(points, SOON).toBeGreaterThan(60);
    await hide(true);
    await page.waitForTimeout(500);
    const drawn = await points();
    const before = await gain();
    const trained = run.steps();
    await expect.poll(run.steps, SOON).toBeGreaterThan(trained + 5);
    expect([await points(), await gain()]).toEqual([drawn, before]);
    const title = await page.title();
    expect(title).toContain('hc');
    await hide(false);
    await expect.poll(shownStep, SOON).toBeGreaterThan(trained + 5);
    await expect.poll(points, SOON).toBeGreaterThan(drawn + 5);
  }, 90_000);

  test('a lost connection says since when, and catches up without a hole', async () => {
    expect(await bannerOf(page)).toBe('');
    await tunnel.cut();
    await expect.poll(() => bannerOf(page), SOON).toMatch(/connection to gainwatch is lost since \d+:\d\d/);
    const lostAt = await shownStep();
    await expect.poll(run.steps, SOON).toBeGreaterThan(lostAt + 10);
    expect(await shownStep()).toBe(lostAt);
    await tunnel.mend();
    await expect.poll(() => bannerOf(page), SOON).toBe('');
    await expect.poll(shownStep, SOON).toBeGreaterThan(lostAt + 10);
    // One point for each step from the first: nothing is missing.
    await expect.poll(async () => (await points()) - (await shownStep()), SOON).toBeGreaterThanOrEqual(0);
    expect(problems.filter((problem) => !/ERR_CONNECTION|Failed to load|net::/.test(problem))).toEqual([]);
  }, 120_000);

  test('an ended run says how, and its numbers are those of the interface', async () => {
    await run.finish();
    await expect.poll(() => factOf(page, 'the run'), SOON).toBe('completed');
    const latest = await ask<StepAnswer>('runs/hc/steps/latest');
    expect(await shownStep()).toBe(run.steps());
    expect(await factOf(page, 'G')).toBe(shown(latest.compositeGain as number));
    expect(await factOf(page, 'loss')).toBe(shown(latest.loss as number));
    // The chart is drawn after the words.
    await expect.poll(gain, SOON).toBe(shown(latest.compositeGain as number));
    const warnings = await ask<WarningAnswer[]>('runs/hc/warnings');
    await see(page, 'warnings');
    // Those of severity info are out of sight until they are asked for.
    const newest = warnings.findLast(({ severity }) => severity !== 'info')!;
    await expect.poll(() => textOf(panelOf(page, 'warnings')), SOON).toContain(newest.message);
    await page.screenshot({ path: join(ARTEFACTS, 'dashboard-live.png') });
  }, 90_000);
});
