/**
 * `npm run bench`: what the kernels, recompute and the watching give and cost here, as ratios of things measured in turns.
 * Prints Markdown as it comes; `--json` prints everything as JSON at the end. See --help.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import type { ConnectionName } from 'gainwatch/model';
import { type BackendName, startBackend } from '../../plugin/cli/backend.ts';
import { machine, markdown, type Result } from './benchTable.ts';
import { kernelBandwidth } from './kernelBandwidth.ts';
import { recomputeMemory } from './recomputeMemory.ts';
import { composedSteps, connectionSteps, demoSteps, type StepsOptions, watchedSteps } from './trainingSteps.ts';

const SECTIONS = ['steps', 'stock', 'kernels', 'watch', 'recompute', 'demo'] as const;

const { values } = parseArgs({
  options: {
    backend: { type: 'string', default: 'wasm' },
    only: { type: 'string', default: SECTIONS.join() },
    rounds: { type: 'string', default: '10' },
    widths: { type: 'string', default: '64,256' },
    depth: { type: 'string', default: '12' },
    batch: { type: 'string', default: '8' },
    tokens: { type: 'string', default: '16384' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(`npm run bench -- [options]
  --backend NAME     wasm (default), webgpu, cpu, tensorflow
  --only LIST        of ${SECTIONS.join(', ')}; all unless given
  --rounds N         rounds of each measurement; 10
  --widths LIST      C of the steps; 64,256
  --depth N          blocks; 12
  --batch N          sequences of 64 bytes per step; 8
  --tokens N         of the single kernels, at n = 4 and C = 256; 16384 (readStreams and writeStreams then move 80 and 145 MiB)
  --json             one JSON document instead of Markdown
Progress goes to standard error. About 20 minutes on 2 cores, most of it stock TF.js at C = 256.`);
  process.exit(0);
}
const asked = values.only.split(',');
const unknown = asked.find((name) => !SECTIONS.some((section) => section === name));
if (unknown !== undefined) throw new Error(`--only must name some of ${SECTIONS.join(', ')}, got ${unknown}`);
const number = (name: 'rounds' | 'depth' | 'batch' | 'tokens') => {
  const value = Number(values[name]);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} must be a whole number from 1, got ${values[name]}`);
  return value;
};
const [rounds, depth, batch, tokens] = [number('rounds'), number('depth'), number('batch'), number('tokens')];

await startBackend(values.backend as BackendName);
const runs = mkdtempSync(join(tmpdir(), 'gainwatch-bench-'));
const results: Result[] = [];
const onProgress = (line: string) => process.stderr.write(`${line}\n`);
const show = (result: Result) => {
  results.push(result);
  if (!values.json) console.log(markdown(result));
  tf.disposeVariables();
};
if (!values.json) console.log(`${machine()}, ${new Date().toISOString().slice(0, 10)}\n`);
const wanted = (section: (typeof SECTIONS)[number]) => {
  if (asked.includes(section)) onProgress(`${section} …`);
  return asked.includes(section);
};
const options = (width: number, of = rounds): StepsOptions => ({
  width,
  depth,
  batch,
  rounds: of,
  runs,
  onRound: (r, times) => onProgress(`  round ${r + 1}: ${times.map((ms) => ms.toFixed(1)).join(', ')} ms`),
});
const widths = values.widths.split(',').map(Number);

// First: what comes later leaves wasm's heap, 2 GiB at most, in pieces.
if (wanted('kernels')) show(await kernelBandwidth(tokens, rounds, onProgress));
if (wanted('steps')) for (const width of widths) show(await connectionSteps(options(width)));
if (wanted('watch')) for (const width of widths) show(await watchedSteps(options(width)));
// Only there can memory be looked into.
if (['cpu', 'wasm'].includes(values.backend) && wanted('recompute')) show(await recomputeMemory(options(64)));
if (wanted('demo')) show(await demoSteps(options(32)));
if (wanted('stock')) {
  // Stock steps take a minute each at C = 256.
  for (const width of widths) {
    const [most, kinds]: [number, ConnectionName[]] = width > 64 ? [3, ['residual']] : [6, ['residual', 'hc', 'mhc']];
    show(await composedSteps(options(width, Math.min(most, rounds)), kinds));
  }
}
if (values.json) console.log(JSON.stringify({ machine: machine(), date: new Date().toISOString(), results }, null, 2));
rmSync(runs, { recursive: true, force: true });
