/** The dashboard in a real Chromium over runs whose connections become more, that have many streams, a self-test, or no connections. */
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { bannerOf, chooseRun, factOf, launch, linesOf, openPage, panelOf, see, seeAll, textOf, violations } from '../support/browser.ts';
import { bodiesOf, expectedOf, ranOf } from '../support/growing.ts';
import { findChromium } from '../support/programs.ts';
import { ARTEFACTS, DESK, SOON } from '../support/recordedPage.ts';
import { start } from '../support/service.ts';
import { sendJson, sendState, sendSteps } from '../support/wire.ts';

const executablePath = findChromium();

describe.skipIf(executablePath === null)('the dashboard', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch(executablePath!);
  });
  afterAll(() => browser?.close());

  async function visit(hash: string) {
    const service = await start();
    return {
      service,
      open: async () => {
        const opened = await openPage(browser, `${service.url}${hash}`, DESK);
        onTestFinished(() => opened.page.context().close());
        return opened;
      },
    };
  }

  test('follows a looped model: each line stays that of its connection', { timeout: 90_000 }, async () => {
    const { service, open } = await visit('#run=looped&open=a%232');
    const turns = (count: number) =>
      Array.from({ length: count }, (_, i) => ['a', 'b'].map((name) => (i === 0 ? name : `${name}#${i + 1}`))).flat();
    const steps = [1, 1, 2, 2, 3, 1, 3, 2].map((count, i) => ranOf('looped', i + 1, turns(count)));
    await sendSteps(service, 'looped', bodiesOf(steps.slice(0, 2)));
    const { page, problems } = await open();
    await expect.poll(() => factOf(page, 'step'), SOON).toBe('2');
    for (const ran of steps.slice(2)) {
      await sendSteps(service, 'looped', bodiesOf([ran]));
      await expect.poll(() => factOf(page, 'step'), SOON).toBe(String(ran.sample.step));
    }
    const { forward, compositeGain } = expectedOf(steps[7]);
    // Six, all of them, and G.
    const expectedAt = (label: string) => forward.get(label) ?? (label === 'G of looped' ? compositeGain : null);
    const wrong = async () => {
      const lines = await linesOf(page, 'gain');
      const values = lines.map(({ label, value }) => [label, Number(value), expectedAt(label)] as const);
      return lines.length === 8 ? values.filter(([, value, expected]) => expected !== null && Math.abs(value - expected) > 0.005) : lines;
    };
    await expect.poll(wrong, SOON).toEqual([]);
    await see(page, 'connection');
    await expect.poll(() => textOf(panelOf(page, 'connection').locator('.cn-note')), SOON).toContain('3 of 6');
    const composite = panelOf(page, 'connection')
      .locator('.cn-measures tr', { hasText: /^composite forward gain/ })
      .locator('td')
      .last();
    await expect.poll(async () => Number(await textOf(composite)), SOON).toBeCloseTo(forward.get('a#2')!, 2);
    expect(problems).toEqual([]);
    expect(await bannerOf(page)).toBe('');
  });

  test('shows matrices of 32 streams, and what the sender found', { timeout: 90_000 }, async () => {
    const { service, open } = await visit('#run=wide&open=b');
    const order = ['a', 'b'];
    const entry = (connection: string, findings: string[]) => ({
      connection,
      dtype: 'bfloat16',
      forward_gain: 1,
      row_deviation: 1e-3,
      column_deviation: 0,
      sensitivity: findings.length > 0 ? 0 : 0.2,
      mixing: 'even',
      orientation: 'comb',
      findings,
    });
    const self_test = [entry('a', []), entry('b', ['its logits have no gradient: it can never learn'])];
    await sendState(service, 'wide', { state: 'open', attempt: 'first', streams: 32, order, self_test });
    await sendSteps(service, 'wide', bodiesOf([1, 2, 3].map((step) => ranOf('wide', step, order, 32))));
    const { page, problems } = await open();
    await see(page, 'connection');
    const cells = panelOf(page, 'connection').locator('.cn-wide tbody td[title]');
    await expect.poll(() => cells.count(), SOON).toBe(1024);
    expect(await cells.first().getAttribute('title')).toMatch(/^row 0, column 0: 1\./);
    expect(await textOf(panelOf(page, 'connection').locator('.cn-findings'))).toContain('it can never learn');
    await page.screenshot({ path: join(ARTEFACTS, 'wide.png') });
    await see(page, 'selfTest');
    const rows = panelOf(page, 'selfTest').locator('tbody tr');
    await expect.poll(() => textOf(rows.first()), SOON).toMatch(/^b.*it can never learn/);
    await seeAll(page, DESK);
    expect(await violations(page)).toEqual([]);
    await page.screenshot({ path: join(ARTEFACTS, 'selfTest.png'), fullPage: true });
    expect(problems).toEqual([]);
  });

  test('shows a baseline: its loss, and that it has no gain', { timeout: 90_000 }, async () => {
    const { service, open } = await visit('#run=base');
    for (let step = 1; step <= 30; step++)
      await sendJson(service, 'base', { step, attempt: 'x', order: [], loss: 3 / step, step_seconds: 0.1 });
    await sendSteps(service, 'other', bodiesOf([1, 2, 3].map((step) => ranOf('other', step, ['a', 'b']))));
    const { page, problems } = await open();
    await expect.poll(() => factOf(page, 'loss'), SOON).toBe('0.1');
    expect(await factOf(page, 'G')).toBe('–');
    await expect.poll(() => textOf(panelOf(page, 'gain')), SOON).toContain('no connections');
    await expect.poll(async () => (await linesOf(page, 'loss')).map(({ label }) => label), SOON).toContain('loss');
    await seeAll(page, DESK);
    await page.screenshot({ path: join(ARTEFACTS, 'baseline.png'), fullPage: true });
    await chooseRun(page, 'other');
    await expect.poll(async () => (await linesOf(page, 'gain')).length, SOON).toBeGreaterThan(2);
    expect(problems).toEqual([]);
  });
});
