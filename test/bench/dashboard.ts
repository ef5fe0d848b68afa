/**
 * Times the dashboard in a real Chromium: first useful paint over 128 connections × 100,000 steps, the work of a redraw at
 * 10 steps/s, and the memory over a replay of 30 minutes at 50 times their speed. `npm run bench:dashboard [-- --help]`.
 */
import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { SingleBar } from 'cli-progress';
import { type Browser, type CDPSession, chromium, type Page } from 'playwright-core';
import { makeLargeRecording, type Size } from './largeRecording.ts';

const { values } = parseArgs({
  options: {
    folder: { type: 'string', default: join(tmpdir(), 'gainwatch-bench') },
    chromium: { type: 'string', default: '/usr/bin/chromium' },
    loads: { type: 'string', default: '7' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(`npm run bench:dashboard [-- --folder F --chromium PATH --loads N]

The recordings are made once in F (2.3 GB; ${values.folder}) and kept there. Takes about 5 minutes the first time.`);
  process.exit(0);
}

const GAINWATCH = join(import.meta.dirname, '../../plugin/cli/gainwatch.js');
const LARGE: Size = { run: 'large', layers: 128, steps: 100_000, every: 100 };
const LIVE: Size = { run: 'live', layers: 128, steps: 18_000, every: 100 };

async function serve(args: string[]): Promise<{ url: string; stop: () => void }> {
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

const quantile = (list: number[], q: number) => [...list].sort((a, b) => a - b)[Math.round(q * (list.length - 1))];

/** The verdict is there, the gain chart holds lines and the heatmap columns. */
const USEFUL = `(() => {
  const lines = document.querySelector('[data-testid="panel-gain"] [data-lines]')?.dataset.lines ?? '[]';
  const columns = Number(document.querySelector('[data-columns]')?.dataset.columns ?? 0);
  const verdict = document.querySelector('[data-testid="verdict"]')?.dataset.level;
  return verdict !== undefined && verdict !== 'unknown' && lines !== '[]' && columns > 100 ? performance.now() : null;
})()`;

async function firstPaint(browser: Browser, url: string): Promise<number> {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  const page = await context.newPage();
  await page.goto(url, { waitUntil: 'commit' });
  const handle = await page.waitForFunction(USEFUL, null, { polling: 'raf', timeout: 60_000 });
  const time = (await handle.jsonValue()) as number;
  await context.close();
  return time;
}

interface TraceEvent {
  name: string;
  ph: string;
  ts: number;
  dur?: number;
  tid: number;
  pid: number;
  args: { name?: string };
}

/** Milliseconds of the main thread between two redraws (each 250 ms): scripts, style, layout, paint. */
async function redraws(page: Page, session: CDPSession, seconds: number): Promise<number[]> {
  const events: TraceEvent[] = [];
  session.on('Tracing.dataCollected', ({ value }) => events.push(...(value as unknown as TraceEvent[])));
  await session.send('Tracing.start', {
    transferMode: 'ReportEvents',
    categories: 'devtools.timeline,disabled-by-default-devtools.timeline,toplevel,__metadata',
  });
  await page.waitForTimeout(1000 * seconds);
  const complete = new Promise<void>((resolve) => session.once('Tracing.tracingComplete', () => resolve()));
  await session.send('Tracing.end');
  await complete;
  const main = events.find(({ name, args }) => name === 'thread_name' && args.name === 'CrRendererMain');
  const tasks = events.filter(({ name, ph, tid, pid }) => name === 'RunTask' && ph === 'X' && tid === main?.tid && pid === main.pid);
  const start = Math.min(...tasks.map(({ ts }) => ts));
  const slots = new Map<number, number>();
  for (const { ts, dur = 0 } of tasks) {
    const slot = Math.floor((ts - start) / 250_000);
    slots.set(slot, (slots.get(slot) ?? 0) + dur / 1000);
  }
  return [...slots.values()];
}

async function heap(session: CDPSession): Promise<number> {
  await session.send('HeapProfiler.collectGarbage');
  const { usedSize } = await session.send('Runtime.getHeapUsage');
  return usedSize / 2 ** 20;
}

mkdirSync(values.folder, { recursive: true });
console.log(`${cpus()[0].model}, ${cpus().length} cores, Node ${process.version}`);
for (const size of [LARGE, LIVE]) {
  const bar = new SingleBar({
    format: `${size.run} {bar} {value}/{total} steps | {eta_formatted} left`,
    noTTYOutput: true,
    stream: process.stderr,
  });
  bar.start(size.steps, 0);
  makeLargeRecording(values.folder, size, (steps) => bar.update(steps));
  bar.stop();
}
const browser = await chromium.launch({
  executablePath: values.chromium,
  args: ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-background-networking'],
});
console.log(`Chromium ${browser.version()}`);

const server = await serve(['serve', '--runs', values.folder]);
const paints: number[] = [];
for (let load = 0; load < Number(values.loads); load++) paints.push(await firstPaint(browser, `${server.url}#run=${LARGE.run}`));
server.stop();
console.log(
  `first useful paint, ${LARGE.layers} connections × ${LARGE.steps} steps: median ${quantile(paints, 0.5).toFixed(0)} ms, highest ${Math.max(...paints).toFixed(0)} ms of ${paints.length} loads`,
);

const slow = await serve(['replay', join(values.folder, `${LIVE.run}.sqlite`)]);
const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
await page.goto(slow.url);
await page.waitForFunction(USEFUL.replace('columns > 100', 'columns > 50'), null, { timeout: 60_000 });
const work = await redraws(page, await page.context().newCDPSession(page), 30);
await page.close();
slow.stop();
console.log(
  `work between two redraws at 10 steps/s, ${LIVE.layers} connections: median ${quantile(work, 0.5).toFixed(1)} ms, 95 % below ${quantile(work, 0.95).toFixed(1)} ms (${work.length} redraws)`,
);

const quick = await serve(['replay', join(values.folder, `${LIVE.run}.sqlite`), '--speed', '50']);
const long = await browser.newPage({ viewport: { width: 1440, height: 900 } });
await long.goto(quick.url);
const session = await long.context().newCDPSession(long);
const sizes: number[] = [];
for (let k = 0; k < 8; k++) {
  await pause(4500);
  sizes.push(await heap(session));
}
console.log(
  `heap over ${(LIVE.steps * LIVE.every) / 60_000} minutes at 50 ×, MiB after collection: ${sizes.map((mib) => mib.toFixed(0)).join(', ')}`,
);
quick.stop();
await browser.close();
