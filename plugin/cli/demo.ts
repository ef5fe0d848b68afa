/**
 * `gainwatch demo`: trains HC, mHC and residual models on the same batches of real text, watched like anyone's models,
 * and prints what came of it. Loads TF.js: reached lazily, after the backend.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { RecomputeMode } from '../../src/connections/recompute.ts';
import type { Storage } from '../../src/kernels/accelerate.ts';
import { type Batch, createBatches } from '../../src/model/batches.ts';
import type { ConnectionName } from '../../src/model/transformer.ts';
import { MAX_LINGER_SECONDS } from '../monitor/close.ts';
import type { Tokens } from '../token.ts';
import type { WatchOptions } from '../watchOptions.ts';
import { type DemoText, loadText } from './demoText.ts';
import { addresses, print } from './options.ts';
import { createProgress } from './progress.ts';
import { type RunResult, readResults, resultTable } from './results.ts';
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
  /** File or folder; by default the text that comes with gainwatch. */
  text?: string;
  /** Until the composite gain of HC has passed this, but no longer than `steps`; null: all steps. */
  untilGain: number | null;
  exit: boolean;
  json: boolean;
  server: { url: string; port?: number; host: string; tokens: Tokens; allowHost: string[]; basePath: string; notify: string[] };
  /** Folder of the recordings. */
  runs: string;
}

const TRAINED: readonly ConnectionName[] = ['hc', 'mhc', 'residual'];
/** Windows of the text in a batch, and bytes in a window: our choice, a step of the three models takes a tenth of a second on two cores. */
const BATCH = 8;
const CONTEXT = 32;
/** Of the learning rate: our choice. The figures in the READMEs depend on it, as on all of the demo's defaults. */
const WARMUP_STEPS = 10;

/** @returns false where the demo's promise did not hold (a gain was not reached). @throws Error naming an option that cannot be */
export async function demo(options: DemoOptions): Promise<boolean> {
  const { steps, untilGain, runs, seed, server } = options;
  const { token, viewToken, decideToken } = server.tokens;
  /** What the results are read with. */
  const viewing = token ?? viewToken ?? decideToken;
  const text = loadText(options.text);
  const trainees = await createTrainees(options, text);
  const { url } = trainees[0].monitor;
  const reached = await train(options, trainees, createBatches(text.bytes, BATCH, CONTEXT, seed));
  const results: RunResult[] = [];
  for (const trainee of trainees) results.push(await readResults(url, viewing, trainee));
  const closing = trainees.map((t) => t.monitor.close({ lingerSeconds: options.exit ? 0 : MAX_LINGER_SECONDS }));
  process.stdout.write(options.json ? `${JSON.stringify(results, null, 2)}\n` : `\n${resultTable(results)}\n`);
  if (!reached) print(`The composite gain of HC did not pass ${untilGain} in ${steps} steps.`);
  if (!options.exit) print(`\nStill serving ${url} – Ctrl-C ends it. The recordings stay in ${runs}.`);
  await Promise.all(closing);
  return reached;
}

/** The watched models; prints the address of the first one's monitor, which they share, and what will be trained. */
async function createTrainees(options: DemoOptions, text: DemoText): Promise<Trainee[]> {
  const { depth, width, streams, lr, seed, recompute, storage, runs, server } = options;
  const { tokens, ...address } = server;
  const given = Object.entries(tokens).filter(([, token]) => token !== null);
  const where: WatchOptions = { ...address, ...Object.fromEntries(given) };
  const trainees: Trainee[] = [];
  for (const connection of TRAINED) {
    const model = { connection, depth, width, context: CONTEXT, heads: width % 4 === 0 ? 4 : 1, streams, seed, recompute };
    const log = (line: string) => {
      if (!line.startsWith(`run ${connection}: dashboard`)) print(`gainwatch: ${line}`);
    };
    const recipe = { model, batch: BATCH, learningRate: lr, warmup: WARMUP_STEPS };
    const trainee = await createTrainee(connection, recipe, { ...where, runs, log });
    if (trainees.length === 0) {
      print(addresses(trainee.monitor.url, tokens));
      print(
        `Training ${TRAINED.join(', ')}: ${depth} blocks, C = ${width}, n = ${streams}, lr ${lr}, seed ${seed}, recompute ${recompute}, storage ${storage}`,
      );
      print(`Text: ${(text.bytes.length / 2 ** 20).toFixed(1)} MiB, ${text.source}\n`);
    }
    trainees.push(trainee);
  }
  return trainees;
}

/** Trains all models on the same batches, in turn. @returns whether the gain that is asked for was reached */
async function train({ steps, untilGain }: DemoOptions, trainees: readonly Trainee[], next: () => Batch): Promise<boolean> {
  const progress = createProgress(steps, untilGain !== null, process.stderr);
  let reached = untilGain === null;
  for (let step = 1; step <= steps; step++) {
    const batch = next();
    for (const trainee of trainees) {
      await trainee.step(batch);
      await turn(); // so that Ctrl-C comes through
    }
    progress.step(step, trainees);
    const gain = trainees[0].monitor.compositeGain;
    reached ||= gain !== null && gain > untilGain!;
    if (untilGain !== null && reached) break;
  }
  progress.stop();
  return reached;
}
