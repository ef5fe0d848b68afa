/** The dashboard in a real Chromium, over a real training. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { shown } from '../../dashboard/format.ts';
import type { StepAnswer } from '../../src/telemetry/api.ts';
import { type Command, startCommand } from '../support/demo.ts';
import { findChromium } from '../support/programs.ts';

const executablePath = findChromium();
const ARTEFACTS = fileURLToPath(new URL('../artefacts/', import.meta.url));
const SIZES = [
  { width: 1440, height: 900 },
  { width: 390, height: 844 },
];

describe.skipIf(executablePath === null)('the dashboard', () => {
  let browser: Browser;
  let demo: Command;
  let runs: string;

  beforeAll(async () => {
    mkdirSync(ARTEFACTS, { recursive: true });
    runs = mkdtempSync(join(tmpdir(), 'gainwatch-e2e-'));
    demo = await startCommand(['demo', '--steps', '80', '--depth', '3', '--width', '16', '--port', '0', '--runs', runs]);
    browser = await chromium.launch({
      executablePath: executablePath!,
      args: ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-background-networking'],
    });
  }, 60_000);

  afterAll(async () => {
    await browser?.close();
    await demo?.stop();
    rmSync(runs, { recursive: true, force: true });
  });

  const text = async (page: Page, id: string) => (await page.getByTestId(id).textContent()) ?? '';

  async function open(size: { width: number; height: number }, colorScheme: 'light' | 'dark' = 'light') {
    const page = await browser.newPage({ viewport: size, colorScheme });
    const problems: string[] = [];
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') problems.push(message.text());
    });
    page.on('pageerror', (error) => problems.push(error.message));
    await page.goto(demo.url);
    return { page, problems };
  }

  test('follows a run live, without a reload', async () => {
    const { page, problems } = await open(SIZES[0]);
    // A run that opens moves those beside it: all three first.
    for (const run of ['hc', 'mhc', 'residual']) await page.getByTestId(`run-${run}`).waitFor();
    await page.getByTestId('run-mhc').click();
    await page.getByTestId('run-hc').click({ delay: 700 }); // held down over several redraws
    await expect.poll(() => page.getByTestId('run-hc').getAttribute('aria-current'), { timeout: 5000 }).toBe('true');
    const step = async () => Number(await text(page, 'headline-step'));
    await expect.poll(step, { timeout: 30_000 }).toBeGreaterThan(2);
    const before = await step();
    await expect.poll(step, { timeout: 30_000 }).toBeGreaterThan(before + 3);
    expect(problems).toEqual([]);
    await page.close();
  }, 90_000);

  test.each(SIZES)(
    'at $width × $height: no overlap, no console error, numbers equal to the interface',
    async (size) => {
      await expect.poll(demo.stderr, { timeout: 90_000 }).toContain('Still serving');
      for (const scheme of ['light', 'dark'] as const) {
        const { page, problems } = await open(size, scheme);
        for (const run of ['mhc', 'hc']) {
          await page.getByTestId(`run-${run}`).click();
          const latest = (await (await fetch(`${demo.url}api/v1/runs/${run}/steps/latest`)).json()) as StepAnswer;
          await expect.poll(() => text(page, 'headline-gain')).toBe(shown(latest.compositeGain as number));
          expect(await text(page, 'headline-step')).toBe('80');
          expect(await text(page, 'headline-loss')).toBe(shown(latest.loss as number));
          const cells = await page.getByTestId('matrix').locator('td').allInnerTexts();
          expect(cells).toEqual(latest.mapping.at(-1)!.map((v) => (v as number).toFixed(3)));
          expect(await text(page, `run-${run}`)).toContain('completed');
        }
        const names = await page.getByTestId('connection-picker').locator('option').allInnerTexts();
        expect(names).toHaveLength(6);
        await page.getByTestId('connection-picker').selectOption('block1.attention');
        await expect.poll(() => text(page, 'matrix')).toContain('block1.attention');
        await page.screenshot({ path: join(ARTEFACTS, `dashboard-${size.width}-${scheme}.png`), fullPage: true });
        expect(await overlaps(page)).toEqual([]);
        expect(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)).toBe(0);
        expect(problems).toEqual([]);
        await page.close();
      }
    },
    120_000,
  );

  test('every chart has drawn something, and the direction switch changes two of them', async () => {
    const { page } = await open(SIZES[0]);
    await page.getByTestId('run-hc').click();
    await page.getByTestId('headline-step').waitFor();
    await page.waitForTimeout(600);
    for (const id of ['chart-overview', 'chart-composite', 'heatmap', 'chart-deviation', 'chart-loss', 'chart-memory']) {
      expect(await colours(page, id), id).toBeGreaterThan(5);
    }
    const before = await page.getByTestId('heatmap').evaluate((canvas) => (canvas as HTMLCanvasElement).toDataURL());
    await page.getByTestId('direction-backward').click();
    await expect(page.getByTestId('direction-backward').getAttribute('aria-pressed')).resolves.toBe('true');
    await expect.poll(() => page.getByTestId('heatmap').evaluate((canvas) => (canvas as HTMLCanvasElement).toDataURL())).not.toBe(before);
    await page.close();
  });

  test('a click on a row of the heatmap chooses the connection', async () => {
    const { page } = await open(SIZES[0]);
    await page.getByTestId('run-hc').click();
    await page.getByTestId('matrix').locator('table').waitFor();
    const box = (await page.getByTestId('heatmap').boundingBox())!;
    await page.mouse.click(box.x + box.width / 2, box.y + box.height * 0.25); // second of six
    await expect.poll(() => page.getByTestId('connection-picker').inputValue()).toBe('block0.mlp');
    await page.close();
  });

  test('says when the connection is lost, and finds back by itself', async () => {
    const port = new URL(demo.url).port;
    const { page } = await open(SIZES[0]);
    await page.getByTestId('headline-step').waitFor();
    expect(await page.getByTestId('banner').isHidden()).toBe(true);
    await demo.stop();
    await expect.poll(() => text(page, 'banner'), { timeout: 15_000 }).toContain('connection to gainwatch is lost');
    demo = await startCommand(['serve', '--runs', runs, '--port', port]);
    await expect.poll(() => page.getByTestId('banner').isHidden(), { timeout: 15_000 }).toBe(true);
    await page.close();
  }, 60_000);
});

/** Pairs of panels and headline numbers that cover each other. */
function overlaps(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const elements = [...document.querySelectorAll('.panel, #headline > div, header')];
    const boxes = elements.map((e) => e.getBoundingClientRect());
    const pairs: string[] = [];
    for (let a = 0; a < boxes.length; a++) {
      for (let b = a + 1; b < boxes.length; b++) {
        const wide = Math.min(boxes[a].right, boxes[b].right) - Math.max(boxes[a].left, boxes[b].left);
        const high = Math.min(boxes[a].bottom, boxes[b].bottom) - Math.max(boxes[a].top, boxes[b].top);
        if (wide > 1 && high > 1)
          pairs.push(`${elements[a].textContent?.trim().slice(0, 30)} / ${elements[b].textContent?.trim().slice(0, 30)}`);
      }
    }
    return pairs;
  });
}

/** Number of different colours on a canvas. */
function colours(page: Page, id: string): Promise<number> {
  return page.getByTestId(id).evaluate((element) => {
    const canvas = element as HTMLCanvasElement;
    const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
    const found = new Set<number>();
    for (let i = 0; i < data.length; i += 4) found.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
    return found.size;
  });
}
