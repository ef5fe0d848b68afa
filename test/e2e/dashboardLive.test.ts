/** The dashboard in a real Chromium, through a tunnel, while a training goes on. The tests are in the order of the training. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { shown } from '../../dashboard/format.ts';
import type { StepAnswer, WarningAnswer } from '../../src/telemetry/api.ts';
import { launch, linesOf, openPage, see, text } from '../support/browser.ts';
import { type Command, startCommand } from '../support/commandLine.ts';
import { temporaryFolder } from '../support/folders.ts';
import { findChromium } from '../support/programs.ts';
import { openTunnel, type Tunnel } from '../support/tunnel.ts';

const executablePath = findChromium();
const ARTEFACTS = fileURLToPath(new URL('../artefacts/', import.meta.url));
const STEPS = 400;
const SOON = { timeout: 30_000 };

describe.skipIf(executablePath === null)('the dashboard over a training that goes on', () => {
  let browser: Browser;
  let demo: Command;
  let tunnel: Tunnel;
  let runs: string;
  let page: Page;
  let problems: string[];

  beforeAll(async () => {
    mkdirSync(ARTEFACTS, { recursive: true });
    browser = await launch(executablePath!);
    runs = temporaryFolder(afterAll);
    const small = ['--steps', String(STEPS), '--depth', '6', '--width', '16', '--lr', '0.03'];
    demo = await startCommand(['demo', ...small, '--port', '0', '--runs', runs, '--base-path', '/watch']);
    tunnel = await openTunnel(Number(new URL(demo.url).port));
    const address = new URL(`${demo.url}#run=hc`);
    address.port = String(tunnel.port);
    ({ page, problems } = await openPage(browser, address.href, { width: 1440, height: 900 }));
  }, 60_000);

  afterAll(async () => {
    await browser?.close();
    await demo?.stop();
    await tunnel?.cut();
  });

  const ask = async <T>(path: string) => (await (await fetch(`${demo.url}api/v1/${path}`)).json()) as T;
  const shownStep = async () => Number(await text(page, 'verdict-step'));
  const trainedTo = async () => (await ask<StepAnswer>('runs/hc/steps/latest')).step;
  const gain = async () => (await linesOf(page, 'gain')).find(({ id }) => id === 'run hc');
  const level = () => page.getByTestId('verdict').getAttribute('data-level');
  const hide = (hidden: boolean) =>
    page.evaluate((value) => {
      Object.defineProperty(document, 'hidden', { get: () => value, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    }, hidden);

  test('the verdict, the lines and the heatmap follow without a reload', async () => {
    await page.evaluate(() => Object.assign(window, { notReloaded: true }));
    await expect.poll(shownStep, SOON).toBeGreaterThan(2);
    const before = await shownStep();
    const points = (await gain())?.points ?? 0;
    await expect.poll(shownStep, SOON).toBeGreaterThan(before + 5);
    await expect.poll(async () => (await gain())?.points, SOON).toBeGreaterThan(points + 5);
    expect(await text(page, 'verdict-age')).toMatch(/^[0-9.]+ (ms|s|seconds?) ago$/);
    const columns = async () => Number(await page.locator('[data-columns]').getAttribute('data-columns'));
    await see(page, 'heatmap');
    await expect.poll(columns, SOON).toBeGreaterThan(10);
    expect(await page.evaluate(() => 'notReloaded' in window)).toBe(true);
  }, 90_000);

  test('a new warning is read out, and verdict, title and icon follow it', async () => {
    const said = async () => `${await text(page, 'announcer')} ${await text(page, 'announcer-critical')}`;
    await expect.poll(said, { timeout: 60_000 }).toMatch(/(Warning|Critical): /);
    const heard = await said();
    const messages = (await ask<WarningAnswer[]>('runs/hc/warnings')).map(({ message }) => message);
    expect(messages.some((message) => heard.includes(message))).toBe(true);
    await expect.poll(level, SOON).toMatch(/watch|act/);
    await expect.poll(async () => (await page.title()).includes(`${await level()} – hc`)).toBe(true);
  }, 90_000);

  test('followed, a zoomed view moves with the newest step; else it stays', async () => {
    await expect.poll(shownStep, SOON).toBeGreaterThan(60);
    await page.evaluate(() => (location.hash = 'run=hc&from=20&to=50&follow=true'));
    await expect.poll(async () => (await linesOf(page, 'loss')).length, SOON).toBeGreaterThan(0);
    await expect.poll(async () => (await gain())?.points ?? 0, SOON).toBeGreaterThan(0);
    const before = (await gain())!.last;
    await expect.poll(async () => (await gain())?.last, SOON).not.toBe(before);
    await page.evaluate(() => (location.hash = 'run=hc&from=20&to=50&follow=false'));
    await expect.poll(async () => (await gain())?.points, SOON).toBe(31);
    const still = (await gain())!;
    const at = await shownStep();
    await expect.poll(shownStep, SOON).toBeGreaterThan(at + 3);
    expect(await gain()).toEqual(still);
    await page.getByTestId('reset').click();
    // What came while other steps were looked at is there too, also in a chart that nobody saw meanwhile.
    for (const chart of ['gain', 'loss']) {
      const points = async () => (await linesOf(page, chart))[0]?.points ?? 0;
      await expect.poll(async () => (await points()) - (await shownStep()), SOON).toBeGreaterThanOrEqual(0);
    }
    await see(page, 'gain');
  }, 90_000);

  test('a server beside it, which does not write the run, follows too', async () => {
    const beside = await startCommand(['serve', '--runs', runs, '--port', '0']);
    onTestFinished(async () => void (await beside.stop()));
    const other = await openPage(browser, `${beside.url}#run=hc`, { width: 1440, height: 900 });
    onTestFinished(() => other.page.context().close());
    const step = async () => Number(await text(other.page, 'verdict-step'));
    await expect.poll(step, SOON).toBeGreaterThan(2);
    const before = await step();
    await expect.poll(step, SOON).toBeGreaterThan(before + 5);
  }, 90_000);

  test('a hidden tab draws nothing, and shows all when it is seen again', async () => {
    await expect.poll(async () => (await gain())?.points ?? 0, SOON).toBeGreaterThan(60);
    await hide(true);
    await page.waitForTimeout(500);
    const before = await gain();
    const trained = await trainedTo();
    await expect.poll(trainedTo, SOON).toBeGreaterThan(trained + 5);
    expect(await gain()).toEqual(before);
    const title = await page.title();
    expect(title).toContain('hc');
    await hide(false);
    await expect.poll(shownStep, SOON).toBeGreaterThan(trained + 5);
    await expect.poll(async () => (await gain())?.points, SOON).toBeGreaterThan(before!.points + 5);
  }, 90_000);

  test('a lost connection says since when, and catches up without a hole', async () => {
    expect(await text(page, 'banner')).toBe('');
    await tunnel.cut();
    await expect.poll(() => text(page, 'banner'), SOON).toMatch(/connection to gainwatch is lost since \d+:\d\d/);
    const lostAt = await shownStep();
    await expect.poll(trainedTo, SOON).toBeGreaterThan(lostAt + 10);
    expect(await shownStep()).toBe(lostAt);
    await tunnel.mend();
    await expect.poll(() => text(page, 'banner'), SOON).toBe('');
    await expect.poll(shownStep, SOON).toBeGreaterThan(lostAt + 10);
    // One point for each step from the first: nothing is missing.
    await expect.poll(async () => (await gain())!.points - (await shownStep()), SOON).toBeGreaterThanOrEqual(0);
    expect(problems.filter((problem) => !/ERR_CONNECTION|Failed to load|net::/.test(problem))).toEqual([]);
  }, 120_000);

  test('an ended run says how, and its numbers are those of the interface', async () => {
    await expect.poll(demo.stderr, { timeout: 150_000 }).toContain('Still serving');
    await expect.poll(() => text(page, 'verdict-ended'), SOON).toContain('completed');
    const latest = await ask<StepAnswer>('runs/hc/steps/latest');
    expect(await shownStep()).toBe(STEPS);
    expect(await text(page, 'verdict-gain')).toBe(shown(latest.compositeGain as number));
    expect(await text(page, 'verdict-loss')).toBe(shown(latest.loss as number));
    // The chart is drawn after the words.
    await expect.poll(async () => (await gain())!.last, SOON).toBeCloseTo(latest.compositeGain as number, 2);
    const warnings = await ask<WarningAnswer[]>('runs/hc/warnings');
    await see(page, 'warnings');
    // Those of severity info are out of sight until they are asked for.
    const newest = warnings.findLast(({ severity }) => severity !== 'info')!;
    await expect.poll(() => text(page, 'panel-warnings'), SOON).toContain(newest.message);
    await page.screenshot({ path: join(ARTEFACTS, 'dashboard-live.png') });
  }, 180_000);
});
