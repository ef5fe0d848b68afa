/**
 * `gainwatch demo`: trains HC, mHC and residual models on the same batches of real text, watched like anyone's models,
 * and says what came of it. Loads TF.js: reached lazily, after the backend.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { RecomputeMode } from '../../src/connections/recompute.ts';
import type { Storage } from '../../src/kernels/accelerate.ts';
import { createBatches } from '../../src/model/batches.ts';
import type { ConnectionName } from '../../src/model/transformer.ts';
import { loadText } from './demoText.ts';
import { addresses } from './options.ts';
import { createProgress } from './progress.ts';
import { firstWarning, type RunResult, readResults, resultTable } from './results.ts';
import { createTrainee, type Trainee } from './trainee.ts';

export interface DemoOptions {
  steps: number;
  depth: number;
  width: number;
  streams: number;
  /** Learning rate. */
  lr: number;
  seed: number;
  recompute: RecomputeMode;
  /** Of the streams. */
  storage: Storage;
  text: string | undefined;
  /** Until the composite gain of HC has passed this, but no longer than `steps`; null: all steps. */
  untilGain: number | null;
  exit: boolean;
  json: boolean;
  server: { url: string; port?: number; host: string; token?: string; allowHost: string[]; basePath: string; notify: string[] };
  runs: string;
}

const TRAINED: ConnectionName[] = ['hc', 'mhc', 'residual'];
const BATCH = 8;
const CONTEXT = 32;
/** The metrics stay as long as the command goes on. */
const LINGER_SECONDS = 2e6;

/** @returns false where the demo's promise did not hold (a gain was not reached) */
export async function demo(options: DemoOptions): Promise<boolean> {
  const { steps, depth, width, streams, seed, recompute, storage, untilGain, runs, server } = options;
  const say = (line: string) => process.stderr.write(`${line}\n`);
  const text = loadText(options.text);
  const trainees: Trainee[] = [];
  for (const connection of TRAINED) {
    const model = { connection, depth, width, context: CONTEXT, heads: width % 4 === 0 ? 4 : 1, streams, seed, recompute };
    const log = (line: string) => {
      // The address is said once, for all three.
      if (!line.startsWith(`run ${connection}: dashboard`)) say(`gainwatch: ${line}`);
    };
    const recipe = { model, batch: BATCH, learningRate: options.lr, warmup: 10 };
    const trainee = await createTrainee(connection, recipe, { ...server, runs, log });
    if (trainees.length === 0) {
      say(addresses(trainee.monitor.url, server.token ?? null));
      say(
        `Training ${TRAINED.join(', ')}: ${depth} blocks, C = ${width}, n = ${streams}, lr ${options.lr}, seed ${seed}, recompute ${recompute}, storage ${storage}`,
      );
      say(`Text: ${(text.bytes.length / 2 ** 20).toFixed(1)} MiB, ${text.source}\n`);
    }
    trainees.push(trainee);
  }
  const { url } = trainees[0].monitor;
  const next = createBatches(text.bytes, BATCH, CONTEXT, seed);
  const progress = createProgress(steps, untilGain !== null, process.stderr);
  let reached = untilGain === null;
  for (let step = 1; step <= steps; step++) {
    const batch = next();
    for (const trainee of trainees) {
      await trainee.step(batch);
      await turn(); // Ctrl-C is heard
    }
    const gains = trainees.map((t) => t.monitor.compositeGain);
    progress.step(
      step,
      trainees.map((t, i) => ({
        name: t.name,
        loss: t.losses.at(-1)!,
        ms: t.milliseconds.at(-1)!,
        gain: gains[i],
        warned: firstWarning(t.monitor)?.step ?? null,
      })),
    );
    if (untilGain !== null && gains[0] !== null && gains[0] > untilGain) {
      reached = true;
      break;
    }
  }
  progress.stop();
  const results: RunResult[] = [];
  for (const trainee of trainees) results.push(await readResults(url, server.token, trainee));
  const closing = trainees.map((t) => t.monitor.close({ lingerSeconds: options.exit ? 0 : LINGER_SECONDS }));
  process.stdout.write(options.json ? `${JSON.stringify(results, null, 2)}\n` : `\n${resultTable(results)}\n`);
  if (!reached) say(`The composite gain of HC did not pass ${untilGain} in ${steps} steps.`);
  if (!options.exit) say(`\nStill serving ${url} – Ctrl-C ends it. The recordings stay in ${runs}.`);
  await Promise.all(closing);
  return reached;
}
