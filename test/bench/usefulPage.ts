/** The built gainwatch in a process of its own, and a real Chromium that opens its page: for programs that are run by hand. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';

export const GAINWATCH = join(import.meta.dirname, '../../plugin/cli/gainwatch.js');
/** Without a window. */
export const launch = (executablePath: string): Promise<Browser> =>
  chromium.launch({ executablePath, args: ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-background-networking'] });

/** Starts a command that serves; its address. */
export async function serve(args: string[]): Promise<{ url: string; stop: () => void }> {
  const child = spawn(process.execPath, [GAINWATCH, ...args, '--port', '0']);
  let text = '';
  const url = await new Promise<string>((resolve, reject) => {
    child.stderr.on('data', (data: Buffer) => {
      text += data;
      const address = /^Dashboard\s+(\S+)/m.exec(text)?.[1];
      if (address !== undefined) resolve(address);
    });
    child.once('close', () => reject(new Error(text)));
  });
  return { url, stop: () => child.kill('SIGINT') };
}

/**
 * Sets `usefulAt` (ms since the navigation): the verdict is there, the gain chart holds lines and the heatmap columns, and
 * the page has nothing more to do, so that they are drawn. A script of the page itself, which its policy lets pass.
 */
const WATCH = `(() => {
  const look = () => {
    const lines = document.querySelectorAll('section[aria-labelledby="t-gain"] .chart-values li').length;
    const map = document.querySelector('.hm-frame canvas')?.getAttribute('aria-label') ?? '';
    const columns = Number(/over (\\d+) columns/.exec(map)?.[1] ?? 0);
    const isKnown = document.querySelector('.verdict:not(.is-unknown)') !== null;
    if (!isKnown || lines < 2 || columns < 50) return requestAnimationFrame(look);
    requestIdleCallback(() => { window.usefulAt = performance.now(); });
  };
  look();
})()`;

/** @returns the page, useful, and after how many ms it was */
export async function openUseful(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = { viewport: { width: 1440, height: 900 } },
): Promise<{ page: Page; after: number }> {
  const page = await browser.newPage(options);
  await page.addInitScript(WATCH);
  await page.goto(url, { waitUntil: 'commit' });
  for (let tries = 0; tries < 3000; tries++) {
    const after = await page.evaluate<number | null>('window.usefulAt ?? null');
    if (after !== null) return { page, after };
    await pause(20);
  }
  throw new Error(`Nothing useful after a minute: ${url}`);
}
