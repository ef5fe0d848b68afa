/**
 * What the costliest bodies cost a `gainwatch serve`: `npm run bench:costly -- [--only NAME]`. Those of costlyBodies.ts, each against
 * a process of its own that has had a small step; prints a Markdown row of each: memory, time, how long the event loop was held, disk.
 */
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { COSTLY } from './costlyBodies.ts';
import { startServe } from './serve.ts';

const { values } = parseArgs({ options: { only: { type: 'string', default: '' } } });

console.log('| body | gzip, kB | MiB | answer | s | more memory, MiB | loop held, ms | disk / bytes |\n|---|---|---|---|---|---|---|---|');
for (const [name, make] of Object.entries(COSTLY)) {
  if (!name.includes(values.only)) continue;
  const { what, type, body, status } = make();
  const packed = gzipSync(body);
  const { ask, memory, peakMemory, diskBytes, hasEnded, stop } = await startServe();
  try {
    await ask('POST', '/api/v1/runs/small/steps', Buffer.from('{"step":1,"order":["a"]}'), { 'Content-Type': 'application/json' });
    await new Promise((resolve) => setTimeout(resolve, 1000));
    peakMemory();
    const [before, diskBefore] = [memory(), diskBytes()];
    let held = 0;
    let isDone = false;
    const probe = (async () => {
      while (!isDone) {
        const asked = performance.now();
        await ask('GET', '/healthz');
        held = Math.max(held, performance.now() - asked);
      }
    })();
    const began = performance.now();
    const answer = await ask('POST', '/api/v1/runs/costly/steps', packed, { 'Content-Type': type, 'Content-Encoding': 'gzip' });
    const seconds = (performance.now() - began) / 1000;
    isDone = true;
    await probe;
    const cells = [
      `${name}: ${what}`,
      (packed.length / 1000).toFixed(1),
      (body.length / 2 ** 20).toFixed(1),
      `${answer.status}${answer.status === status ? '' : ` instead of ${status}: ${answer.text.slice(0, 200)}`}`,
      seconds.toFixed(2),
      (peakMemory() - before).toFixed(0),
      held.toFixed(0),
      ((diskBytes() - diskBefore) / body.length).toFixed(2),
    ];
    console.log(`| ${cells.join(' | ')} |`);
    if (hasEnded()) throw new Error('gainwatch serve has ended');
  } finally {
    stop();
  }
}
