/** The page over recorded runs, served by the built program, for the tests of one file. */
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, onTestFinished } from 'vitest';
import { factOf, launch, openPage, type Size } from './browser.ts';
import { type Command, startCommand } from './commandLine.ts';
import { temporaryFolder } from './folders.ts';
import { recordRuns } from './recordings.ts';

/** Pictures that the tests take. */
export const ARTEFACTS = fileURLToPath(new URL('../artefacts/', import.meta.url));
export const DESK: Size = { width: 1440, height: 900 };
/** For what is under way: a busy machine may take long, and only a failure waits to the end. */
export const SOON = { timeout: 30_000 };

/** Runs hc, mhc and residual (recordings.ts) in a browser; call it in a `describe`. */
export function useRecordedPage(executablePath: string) {
  let browser: Browser;
  let server: Command;
  let folder: string;

  beforeAll(async () => {
    mkdirSync(ARTEFACTS, { recursive: true });
    folder = temporaryFolder(afterAll);
    await recordRuns(folder);
    server = await startCommand(['serve', '--runs', folder, '--port', '0', '--base-path', '/watch']);
    browser = await launch(executablePath);
  }, 120_000);

  afterAll(async () => {
    await browser?.close();
    await server?.stop();
  });

  /** A page as it comes; closed at the end of the test. */
  async function visit(hash: string, size = DESK, scheme: 'light' | 'dark' = 'light', url = server.url) {
    const opened = await openPage(browser, `${url}${hash}`, size, scheme);
    onTestFinished(() => opened.page.context().close());
    return opened;
  }
  /** The same, with its run loaded. */
  async function open(...[hash = '#run=hc', ...rest]: [hash?: string, size?: Size, scheme?: 'light' | 'dark', url?: string]) {
    const opened = await visit(hash, ...rest);
    await expect.poll(() => factOf(opened.page, 'step'), SOON).toMatch(/\d/);
    return opened;
  }
  const ask = async <T>(path: string) => (await (await fetch(`${server.url}api/v1/${path}`)).json()) as T;
  return { visit, open, ask, url: () => server.url, folder: () => folder };
}

/** Is a button of the toolbar pressed? */
export const isPressed = (page: Page, name: string): Promise<string | null> => toolbarButton(page, name).getAttribute('aria-pressed');
/** By its whole name. */
export const toolbarButton = (page: Page, name: string) => page.getByRole('toolbar').getByRole('button', { name, exact: true });
