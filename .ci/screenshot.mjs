#!/usr/bin/env node
// Takes a picture of a dashboard: .ci/screenshot.mjs URL OUT.png [WIDTHxHEIGHT] [light|dark] [RUN].
// Needs Chromium (CHROMIUM, or /usr/bin/chromium).
import { chromium } from 'playwright-core';

const [url, out, size = '1440x900', scheme = 'light', run] = process.argv.slice(2);
if (url === undefined || out === undefined) {
  process.stderr.write('usage: .ci/screenshot.mjs URL OUT.png [WIDTHxHEIGHT] [light|dark] [RUN]\n');
  process.exit(2);
}
const [width, height] = size.split('x').map(Number);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-background-networking'],
});
const page = await browser.newPage({ viewport: { width, height }, colorScheme: scheme });
const problems = [];
page.on('console', (message) => {
  if (message.type() === 'error' || message.type() === 'warning') problems.push(message.text());
});
page.on('pageerror', (error) => problems.push(error.message));
await page.goto(run === undefined ? url : `${url}#run=${run}`);
await page.locator('.verdict-facts').waitFor();
await page.waitForTimeout(1500);
await page.screenshot({ path: out, fullPage: width < 800 });
const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
await browser.close();
if (overflow > 0) problems.push(`the page is ${overflow} px wider than the window`);
for (const problem of problems) process.stderr.write(`${problem}\n`);
process.exit(problems.length > 0 ? 1 : 0);
