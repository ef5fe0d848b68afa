/** The real Chromium for tests of the page, and a page whose every complaint is kept. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type Browser, chromium, type Locator, type Page } from 'playwright-core';

/** Without a window. */
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

/** At this address, with leave to use the clipboard. */
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

/** The panel with this id of its title. */
export const panelOf = (page: Page, id: string): Locator => page.locator(`section[aria-labelledby="t-${id}"]`);

/** Brings a panel into view: one that cannot be seen is not mounted. */
export const see = (page: Page, id: string): Promise<void> => panelOf(page, id).scrollIntoViewIfNeeded();

/** A button of a panel, by its whole name or a part of it. */
export const buttonOf = (page: Page, id: string, name: string | RegExp): Locator =>
  panelOf(page, id).getByRole('button', typeof name === 'string' ? { name, exact: true } : { name });

/** All text of what is found first; '' where there is nothing. */
export async function textOf(found: Locator): Promise<string> {
  return (await found.count()) === 0 ? '' : ((await found.first().textContent()) ?? '');
}

/** A fact below the verdict, by what stands before it: step, the run, steps left, loss, G. */
export const factOf = (page: Page, name: string): Promise<string> =>
  textOf(page.locator('.verdict-facts li', { hasText: new RegExp(`^${name}\\b`) }).locator('b'));

/** Healthy, Watch, Act or Unknown. */
export const levelOf = async (page: Page): Promise<string> => (await textOf(page.locator('.verdict strong'))).replace(':', '');

/** What is wrong with the page itself; '': nothing. */
export const bannerOf = (page: Page): Promise<string> => textOf(page.locator('.banner'));

/** The address, as the view in it. */
export const hashOf = (page: Page): URLSearchParams => new URLSearchParams(new URL(page.url()).hash.slice(1));

/** Goes to another run by the table of runs. Panels above it that were just mounted may still move it: then once more. */
export async function chooseRun(page: Page, run: string): Promise<void> {
  for (let tries = 0; tries < 10 && hashOf(page).get('run') !== run; tries++) {
    await see(page, 'runs');
    await buttonOf(page, 'runs', run).click();
  }
}

/** The lines of a chart with their newest values, or those at the cursor, as its legend has them. */
export async function linesOf(page: Page, id: string): Promise<{ label: string; value: string }[]> {
  await see(page, id);
  return panelOf(page, id)
    .locator('.chart-values li:not(.chart-at)')
    .evaluateAll((items) =>
      items.map((item) => {
        const value = item.querySelector('b')?.textContent ?? '';
        return { label: (item.textContent ?? '').slice(0, -value.length).trim(), value };
      }),
    );
}

/** How many points the first line of a chart has. */
export async function pointsOf(page: Page, id: string): Promise<number> {
  await see(page, id);
  const chart = panelOf(page, id).locator('.chart-plot canvas');
  return (await chart.count()) === 0 ? 0 : Number(/(\d+) points/.exec((await chart.getAttribute('aria-label')) ?? '')?.[1] ?? 0);
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
    const named = (k: number) => elements[k].getAttribute('aria-labelledby') ?? elements[k].tagName;
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
