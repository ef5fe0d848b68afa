/**
 * Times the dashboard in a real Chromium: first useful paint over 128 connections × 100,000 steps, the work of a redraw at
 * 10 steps/s, and the memory over a replay of 30 minutes at 50 times their speed. `npm run bench:dashboard [-- --help]`.
 */
import { mkdirSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { SingleBar } from 'cli-progress';
import type { CDPSession, Page } from 'playwright-core';
import { makeLargeRecording, type Size } from './largeRecording.ts';
import { launch, openUseful, serve } from './usefulPage.ts';

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

const LARGE: Size = { run: 'large', layers: 128, steps: 100_000, every: 100 };
const LIVE: Size = { run: 'live', layers: 128, steps: 18_000, every: 100 };

const quantile = (list: number[], q: number) => [...list].sort((a, b) => a - b)[Math.round(q * (list.length - 1))];

interface TraceEvent {
  name: string;
  ph: string;
  /** Begin, duration, and the part of it in which the thread had a processor, µs. */
  ts: number;
  dur?: number;
  tdur?: number;
  tid: number;
  pid: number;
  args: { name?: string };
}

/** What Chromium's own tools call scripting and rendering; painting is apart there. */
const SCRIPTING_AND_RENDERING = new Set(
  'FunctionCall TimerFire EvaluateScript EventDispatch FireAnimationFrame RunMicrotasks MinorGC MajorGC UpdateLayoutTree Layout PrePaint HitTest'.split(
    ' ',
  ),
);

/** Of the main thread in a quarter of a second, which has at most one redraw; ms. */
interface Work {
  /** Scripting and rendering, by the clock on the wall. */
  rendering: number;
  /** All tasks, painting and the stream too: by the clock, and only while the thread had a processor. */
  wall: number;
  processor: number;
  /** The longest that a click would have to wait. */
  longest: number;
}

async function redraws(page: Page, session: CDPSession, seconds: number): Promise<Work[]> {
  const events: TraceEvent[] = [];
  session.on('Tracing.dataCollected', ({ value }) => events.push(...(value as unknown as TraceEvent[])));
  await session.send('Tracing.start', { transferMode: 'ReportEvents', categories: 'toplevel,devtools.timeline,__metadata' });
  await page.waitForTimeout(1000 * seconds);
  const complete = new Promise<void>((resolve) => session.once('Tracing.tracingComplete', () => resolve()));
  await session.send('Tracing.end');
  await complete;
  const main = events.find(({ name, args }) => name === 'thread_name' && args.name === 'CrRendererMain');
  const onMain = events.filter(({ ph, tid, pid }) => ph === 'X' && tid === main?.tid && pid === main.pid).sort((a, b) => a.ts - b.ts);
  const slots: Work[] = [];
  /** Adds each event that does not lie within one before. */
  const each = (wanted: (name: string) => boolean, add: (work: Work, event: TraceEvent) => void) => {
    let end = 0;
    for (const event of onMain.filter(({ name }) => wanted(name))) {
      if (event.ts < end) continue;
      end = event.ts + (event.dur ?? 0);
      const slot = Math.floor((event.ts - onMain[0].ts) / 250_000);
      slots[slot] ??= { rendering: 0, wall: 0, processor: 0, longest: 0 };
      add(slots[slot], event);
    }
  };
  each(
    (name) => name.endsWith('::RunTask'),
    (work, { dur = 0, tdur = 0 }) => {
      work.wall += dur / 1000;
      work.processor += tdur / 1000;
      work.longest = Math.max(work.longest, dur / 1000);
    },
  );
  each(
    (name) => SCRIPTING_AND_RENDERING.has(name),
    (work, { dur = 0 }) => {
      work.rendering += dur / 1000;
    },
  );
  return Object.values(slots);
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
const browser = await launch(values.chromium);
console.log(`Chromium ${browser.version()}`);

const server = await serve(['serve', '--runs', values.folder]);
const paints: number[] = [];
for (let load = 0; load < Number(values.loads); load++) {
  const { page, after } = await openUseful(browser, `${server.url}#run=${LARGE.run}`);
  paints.push(after);
  await page.close();
}
server.stop();
console.log(
  `first useful paint, ${LARGE.layers} connections × ${LARGE.steps} steps: median ${quantile(paints, 0.5).toFixed(0)} ms, highest ${Math.max(...paints).toFixed(0)} ms of ${paints.length} loads`,
);

const slow = await serve(['replay', join(values.folder, `${LIVE.run}.sqlite`)]);
const { page } = await openUseful(browser, slow.url);
const work = await redraws(page, await page.context().newCDPSession(page), 30);
await page.close();
slow.stop();
console.log(`main thread per redraw at 10 steps/s, ${LIVE.layers} connections, ${work.length} redraws (median, 95th percentile):`);
for (const [part, name] of Object.entries({
  rendering: 'scripting and rendering',
  wall: 'all tasks',
  processor: 'all tasks, processor time',
  longest: 'longest task',
} satisfies Record<keyof Work, string>)) {
  const list = work.map((each) => each[part as keyof Work]);
  console.log(`  ${name} ${quantile(list, 0.5).toFixed(1)} ms, ${quantile(list, 0.95).toFixed(1)} ms`);
}

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
