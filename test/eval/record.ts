/**
 * Records the corpus: `npm run eval:record [-- --only REGEX --processes 2]`. Two runs at a time, each in a process of its
 * own; what is there already is kept, so it can be stopped and started again. A run gives the same file each time.
 */
import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { SingleBar } from 'cli-progress';
import { accelerate } from '../../src/kernels/accelerate.ts';
import { createReducer, encodeReduced } from './reduced.ts';
import { RUNS } from './runs.ts';
import type { RunSpec } from './spec.ts';
import { trainRun } from './training.ts';

const ROOT = join(import.meta.dirname, '../../..');
const FOLDER = join(ROOT, 'test/eval/recordings');
/** English prose and declarations, of a version that package-lock.json pins. */
const TEXT = join(ROOT, 'node_modules/playwright-core/types/types.d.ts');
/** Steps between two messages to the bar. */
const TOLD_EVERY = 25;

const pathOf = (spec: RunSpec) => join(FOLDER, `${spec.name}.br`);

async function recordOne(name: string): Promise<void> {
  const spec = RUNS.find((run) => run.name === name);
  if (spec === undefined) throw new Error(`there is no run ${name} in runs.ts`);
  await tf.setBackend('wasm');
  accelerate(tf);
  const text = readFileSync(TEXT);
  const reducer = createReducer(spec, createHash('sha256').update(text).digest('hex').slice(0, 16));
  trainRun(
    spec,
    text,
    (header, report) => {
      reducer.addReport(header, report);
      if (report.step % TOLD_EVERY === 0) process.send?.(TOLD_EVERY);
    },
    performance.now.bind(performance),
  );
  writeFileSync(`${pathOf(spec)}.part`, encodeReduced(reducer.done()));
  renameSync(`${pathOf(spec)}.part`, pathOf(spec));
}

async function recordAll(only: RegExp, processes: number): Promise<void> {
  mkdirSync(FOLDER, { recursive: true });
  const wanted = RUNS.filter((run) => only.test(run.name));
  const left = wanted.filter((run) => !existsSync(pathOf(run)));
  console.error(`${wanted.length} runs, ${wanted.length - left.length} of them are there; ${processes} at a time`);
  const bar = new SingleBar({ format: '{bar} {value}/{total} steps | {runs} runs left | {eta_formatted} left', noTTYOutput: true });
  const allSteps = left.reduce((sum, run) => sum + run.steps, 0);
  bar.start(allSteps, 0, { runs: left.length });
  const queue = [...left];
  const failed: string[] = [];
  const worker = async (): Promise<void> => {
    for (let spec = queue.shift(); spec !== undefined; spec = queue.shift()) {
      const { name, steps } = spec;
      const child = fork(import.meta.filename, ['--run', name]);
      let counted = 0;
      child.on('message', (count: number) => {
        counted += count;
        bar.increment(count);
      });
      const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
      if (code !== 0) failed.push(name);
      // A run that ended early has no steps left.
      bar.increment(steps - counted, { runs: queue.length });
    }
  };
  await Promise.all(Array.from({ length: processes }, worker));
  bar.stop();
  if (failed.length > 0) throw new Error(`not recorded: ${failed.join(', ')}`);
}

const { values } = parseArgs({
  options: { run: { type: 'string' }, only: { type: 'string', default: '' }, processes: { type: 'string', default: '2' } },
});
if (values.run !== undefined) {
  await recordOne(values.run);
  process.disconnect?.();
} else await recordAll(new RegExp(values.only), Number(values.processes));
