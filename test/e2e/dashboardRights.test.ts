/** The dashboard in a real Chromium behind tokens: what may be done, a link of another site, an ended session; a deleted run. */
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { closeRun, handleReport, openRun } from '../../dist/plugin/pipeline/pipeline.js';
import type { Service } from '../../dist/plugin/service.js';
import { bannerOf, factOf, launch, openPage, panelOf, see, textOf } from '../support/browser.ts';
import { findChromium } from '../support/programs.ts';
import { DESK, SOON } from '../support/recordedPage.ts';
import { headerOf, reportOf } from '../support/reports.ts';
import { listenLocally } from '../support/servers.ts';
import { ask, start } from '../support/service.ts';

const executablePath = findChromium();
const TOKENS = { token: 'view-and-send', decideToken: 'view-and-decide' };

/** Runs that have ended, each with a warning. */
function record(service: Service, ...names: string[]): void {
  for (const name of names) {
    const header = { ...headerOf('hc'), run: name };
    const run = openRun(service.pipeline, header);
    for (let step = 1; step <= 11; step++)
      handleReport(service.pipeline, run, reportOf(header, step, step === 11 ? { loss: Number.NaN } : {}));
    closeRun(service.pipeline, run, 'completed');
  }
}

describe.skipIf(executablePath === null)('the dashboard behind tokens', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch(executablePath!);
  });
  afterAll(() => browser?.close());

  async function visit(url: string) {
    const { page } = await openPage(browser, url, DESK);
    onTestFinished(() => page.context().close());
    return page;
  }

  test('who may not decide sees so where it would acknowledge; who may, does', async () => {
    const service = await start(TOKENS);
    record(service, 'hc');
    const viewer = await visit(`${service.url}?token=view-and-send#run=hc`);
    await see(viewer, 'warnings');
    const button = panelOf(viewer, 'warnings').getByRole('button', { name: /^Acknowledge/ });
    await expect.poll(() => textOf(button), SOON).toBe('Acknowledge: needs the right to decide');
    expect(await button.isDisabled()).toBe(true);
    const decider = await visit(`${service.url}?token=view-and-decide#run=hc`);
    expect(decider.url()).not.toContain('token');
    expect(decider.url()).toContain('#run=hc');
    await see(decider, 'warnings');
    await panelOf(decider, 'warnings').getByRole('button', { name: 'Acknowledge', exact: true }).click();
    await expect.poll(() => textOf(panelOf(decider, 'warnings')), SOON).toContain('known since');
    expect(service.problems).toEqual([expect.stringMatching(/acknowledged by session/)]);
  }, 120_000);

  test('a link of another site leads to the page, with its session and its view', async () => {
    const service = await start(TOKENS);
    record(service, 'hc', 'other');
    const links = ['?token=view-and-send#run=hc', '#run=hc'].map((end, i) => `<a id="l${i}" href="${service.url}${end}">link</a>`);
    const port = await listenLocally((_request, response) => response.setHeader('Content-Type', 'text/html').end(links.join('')));
    const page = await visit(service.url);
    expect(await textOf(page.locator('p'))).toContain('asks for a token');
    for (const link of ['#l0', '#l1']) {
      // Another site than 127.0.0.1.
      await page.goto(`http://localhost:${port}/`);
      await page.click(link);
      await expect.poll(() => factOf(page, 'step'), SOON).toBe('11');
      expect(page.url()).toMatch(/#run=hc/);
      expect(page.url()).not.toContain('?');
    }
  }, 120_000);

  test('an ended session is said, and goes on where the address with the token is opened in another tab', async () => {
    const service = await start(TOKENS);
    record(service, 'hc');
    const page = await visit(`${service.url}?token=view-and-send#run=hc`);
    await expect.poll(() => factOf(page, 'step'), SOON).toBe('11');
    await service.close();
    const again = await start({ ...TOKENS, port: service.port, directory: service.pipeline.directory });
    await expect.poll(() => bannerOf(page), SOON).toMatch(/The session has ended.*\?token=TOKEN/);
    const tab = await page.context().newPage();
    await tab.goto(`${again.url}?token=view-and-send`);
    await expect.poll(() => bannerOf(page), SOON).toBe('');
  }, 120_000);

  test('a run that is deleted goes from the page, which says so, and shows no other in its place', async () => {
    const service = await start();
    record(service, 'hc', 'other');
    const page = await visit(`${service.url}#run=hc`);
    await expect.poll(() => factOf(page, 'step'), SOON).toBe('11');
    await see(page, 'runs');
    expect((await ask(service, '/api/v1/runs/hc', {}, 'DELETE')).status).toBe(200);
    await expect.poll(() => bannerOf(page), SOON).toContain('hc is not among the runs here');
    await expect.poll(() => textOf(panelOf(page, 'runs')), SOON).not.toMatch(/\bhc\b/);
    expect(await textOf(panelOf(page, 'runs'))).toContain('other');
    record(service, 'hc');
    await expect.poll(() => factOf(page, 'step'), SOON).toBe('11');
    await expect.poll(() => bannerOf(page), SOON).toBe('');
  }, 120_000);
});
