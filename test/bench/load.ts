/**
 * What one monitor holds: `npm run bench:load`. Ranks send ready-made measures over HTTP to a `gainwatch serve` of their own process at a
 * given rate; every few seconds /metrics is scraped. Prints one line a minute and a Markdown row at the end.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { MEASURES } from '../../src/telemetry/catalogue.ts';
import { quantile } from '../eval/score.ts';
import { startServe } from './serve.ts';

const { values } = parseArgs({
  options: {
    ranks: { type: 'string', default: '64' },
    connections: { type: 'string', default: '122' },
    rate: { type: 'string', default: '5' },
    minutes: { type: 'string', default: '2' },
    gzip: { type: 'boolean', default: false },
  },
});
const [ranks, connections, rate, minutes] = [values.ranks, values.connections, values.rate, values.minutes].map(Number);

const { ask, memory, stop } = await startServe();

const order = Array.from({ length: connections }, (_, l) => `layers.${l >> 1}.${l % 2 === 0 ? 'attention' : 'mlp'}`);
/** Measures of a run that stands still: near 1, different at each step. The texts are made once, as a rank would not wait for them. */
const measures = Array.from({ length: 8 }, (_, k) =>
  JSON.stringify(Object.fromEntries(MEASURES.map(({ key }) => [key, order.map((_name, l) => Math.fround(1 + 0.01 * Math.sin(k + l)))]))),
);
const kinds = order.map(() => 'mhc');
const textOf = (rank: number, step: number) => {
  const head = JSON.stringify({ version: 1, step, attempt: 'load', rank, world_size: ranks, loss: 3, order, kinds });
  return `${head.slice(0, -1)},"measures":${measures[step % measures.length]}}`;
};

const totals = { steps: 0, refused: 0, slowest: 0 };
const began = performance.now();
const end = began + minutes * 60_000;

/** Like a sender: every half second what has come together since, the next once this one is answered. */
async function rankLoop(rank: number): Promise<void> {
  let sent = 0;
  await pause((500 * rank) / ranks);
  while (performance.now() < end) {
    const due = Math.floor(((performance.now() - began) / 1000) * rate);
    if (due > sent) {
      const last = Math.min(due, sent + 64);
      const steps = Array.from({ length: last - sent }, (_, i) => textOf(rank, sent + 1 + i));
      const text = Buffer.from(`[${steps.join(',')}]`);
      const headers: Record<string, string> = { 'Content-Type': 'application/json' };
      if (values.gzip) headers['Content-Encoding'] = 'gzip';
      const start = performance.now();
      const { status } = await ask('POST', '/api/v1/runs/load/steps', values.gzip ? gzipSync(text, { level: 1 }) : text, headers);
      totals.slowest = Math.max(totals.slowest, performance.now() - start);
      if (status === 200) {
        totals.steps += last - sent;
        sent = last;
      } else totals.refused++;
    }
    await pause(500);
  }
}

const scrapes: { ms: number; bytes: number }[] = [];
const sizes: number[] = [];
async function scrapeLoop(): Promise<void> {
  while (performance.now() < end) {
    await pause(5000);
    const start = performance.now();
    const { text } = await ask('GET', '/metrics');
    scrapes.push({ ms: performance.now() - start, bytes: text.length });
    sizes.push(memory());
    if (scrapes.length % 12 === 0) process.stderr.write(`${summary()}\n`);
  }
}

function summary(): string {
  const seconds = (performance.now() - began) / 1000;
  const ms = scrapes.map((scrape) => scrape.ms);
  return [
    `| ${ranks} × ${connections}`,
    `${rate}`,
    `${(totals.steps / ranks / seconds).toFixed(2)}`,
    `${totals.refused}`,
    `${(totals.slowest / 1000).toFixed(1)} s`,
    `${[0.5, 0.99, 1].map((q) => quantile(ms, q).toFixed(0)).join(', ')} ms`,
    `${((scrapes.at(-1)?.bytes ?? 0) / 1024).toFixed(0)} KiB`,
    `${sizes[0]?.toFixed(0)}, ${quantile(sizes, 0.5).toFixed(0)}, ${sizes.at(-1)?.toFixed(0)}`,
    `${(seconds / 60).toFixed(1)} |`,
  ].join(' | ');
}

try {
  await Promise.all([scrapeLoop(), ...Array.from({ length: ranks }, (_, rank) => rankLoop(rank))]);
  process.stdout.write(`| ranks × connections | asked, steps/s | held, steps/s | refused | slowest answer | scrape: median, 99 %, slowest | size | MiB: first, median, last | minutes |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
${summary()}\n`);
} finally {
  stop();
}
