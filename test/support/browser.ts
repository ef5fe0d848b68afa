/** The real Chromium for tests of the page, and a page whose every complaint is kept. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type Browser, chromium, type Page } from 'playwright-core';

export function launch(executablePath: string): Promise<Browser> {
  return chromium.launch({
    executablePath,
    args: ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-background-networking'],
  });
}

export interface Size {
  width: number;
  height: number;
}

export interface Opened {
  page: Page;
  /** Errors and warnings of the console, errors of the page, requests that left the server. */
  problems: string[];
}

export async function openPage(browser: Browser, url: string, size: Size, colorScheme: 'light' | 'dark' = 'light'): Promise<Opened> {
  const context = await browser.newContext({ viewport: size, colorScheme, permissions: ['clipboard-read', 'clipboard-write'] });
  const page = await context.newPage();
  const problems: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') problems.push(message.text());
  });
  page.on('pageerror', (error) => problems.push(error.message));
  const { origin } = new URL(url);
  page.on('request', (request) => {
    const asked = request.url();
    if (!/^(data|blob):/.test(asked) && new URL(asked).origin !== origin) problems.push(`asks ${asked}`);
  });
  await page.goto(url);
  return { page, problems };
}

/** Makes the window as high as the page, so that every panel is mounted. Some grow with it: not for ever. */
export async function seeAll(page: Page, { width }: Size): Promise<void> {
  for (let round = 0; round < 2; round++) {
    const height = await page.evaluate(() => document.documentElement.scrollHeight);
    await page.setViewportSize({ width, height });
    await page.waitForTimeout(500);
  }
}

export const text = async (page: Page, id: string): Promise<string> => (await page.getByTestId(id).first().textContent()) ?? '';

interface LineSummary {
  id: string;
  label: string;
  points: number;
  last: number | string | null;
}

/** Brings a panel into view: one that cannot be seen is not mounted. */
export const see = (page: Page, id: string): Promise<void> => page.getByTestId(`panel-${id}`).scrollIntoViewIfNeeded();

/** Goes to another run by the table of runs. Panels above it that were just mounted may still move it: then once more. */
export async function chooseRun(page: Page, run: string): Promise<void> {
  const chosen = () => new URLSearchParams(new URL(page.url()).hash.slice(1)).get('run') === run;
  for (let tries = 0; tries < 10 && !chosen(); tries++) {
    await see(page, 'runs');
    await page.getByTestId(`run-${run}`).click();
  }
}

/** What a line chart says that it draws. */
export async function linesOf(page: Page, id: string): Promise<LineSummary[]> {
  await see(page, id);
  const panel = page.getByTestId(`lines-${id}`);
  return JSON.parse((await panel.getAttribute('data-lines')) ?? '[]') as LineSummary[];
}

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What axe-core finds wrong: rule and element. */
export async function violations(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  return page.evaluate(async () => {
    const { axe } = window as unknown as {
      axe: { run(): Promise<{ violations: { id: string; nodes: { target: string[] }[] }[] }> };
    };
    const { violations: found } = await axe.run();
    return found.flatMap(({ id, nodes }) => nodes.map(({ target }) => `${id}: ${target.join(' ')}`));
  });
}

/** Pairs of panels that cover each other, and what sticks out of the page at its right. */
export function overlaps(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const elements = [...document.querySelectorAll('.panel, header')];
    const boxes = elements.map((element) => element.getBoundingClientRect());
    const named = (k: number) => elements[k].getAttribute('data-testid') ?? elements[k].tagName;
    const wrong: string[] = [];
    boxes.forEach((a, i) => {
      if (a.right > document.documentElement.clientWidth + 1) wrong.push(`${named(i)} sticks out`);
      boxes.slice(i + 1).forEach((b, k) => {
        const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (wide > 1 && high > 1) wrong.push(`${named(i)} / ${named(i + 1 + k)}`);
      });
    });
    return wrong;
  });
}
