/** Whole training steps: connections beside each other, kernels against stock operations, watched against unwatched. */
import * as tf from '@tensorflow/tfjs';
import type { ConnectionName } from 'gainwatch/model';
import { milliseconds, type Result, ratio } from './benchTable.ts';
import { createRunner, type OnRound, type Setting, STREAMS, takeTurns } from './runner.ts';

export interface StepsOptions {
  width: number;
  depth: number;
  /** B; T is 64. */
  batch: number;
  rounds: number;
  runs: string;
  onRound: OnRound;
}

const CONTEXT = 64;
const KINDS: ConnectionName[] = ['residual', 'hc', 'mhc'];
const PAPER = 1.067;
const base = ({ width, depth, batch }: StepsOptions) => ({ width, depth, batch, context: CONTEXT });
const sizes = ({ width, depth, batch, rounds }: StepsOptions) =>
  `${depth} blocks, C = ${width}, T = ${CONTEXT}, B = ${batch}, n = ${STREAMS}; ${rounds} rounds, each runs all rows once, in changing order. Median of the rounds' ratios (quartiles).`;

async function measure(options: StepsOptions, settings: readonly Setting[], warm: number) {
  const runners = [];
  for (const setting of settings) runners.push(await createRunner(setting, options.runs));
  await takeTurns(runners, options.rounds, warm, options.onRound);
  for (const { monitor } of runners) await monitor?.close();
  return runners;
}

/** What mHC multiplies and adds beside its blocks, over what the blocks do: nC(n² + 3n + 2) a connection, 12C² a block. */
export const arithmeticFloor = (n: number, width: number): number => 1 + (2 * n * (n * n + 3 * n + 2)) / (12 * width);

/** A row for each kind of connection, and for mHC under recompute and in half precision: time per step, and over residual's. */
export async function connectionSteps(options: StepsOptions): Promise<Result> {
  const { width } = options;
  const settings: Setting[] = [
    ...KINDS.map((connection) => ({ ...base(options), connection })),
    { ...base(options), connection: 'mhc', recompute: 'connections' },
    { ...base(options), connection: 'mhc', recompute: 'blocks' },
    ...(tf.getBackend() === 'webgpu' ? [{ ...base(options), connection: 'mhc', storage: 'float16' } as const] : []),
  ];
  const runners = await measure(options, settings, 3);
  const name = ({ connection, recompute, storage }: Setting) =>
    [connection, recompute && `recompute ${recompute}`, storage && `storage ${storage}`].filter(Boolean).join(', ');
  return {
    title: `A training step by connection, C = ${width}`,
    note: `${sizes(options)} Arithmetic floor of mHC / residual: ${arithmeticFloor(STREAMS, width).toFixed(3)}; the paper's 27B model: ${PAPER}.`,
    head: ['', 'ms per step', 'to residual'],
    rows: settings.map((setting, i) => [name(setting), milliseconds(runners[i].times), ratio(runners[i].times, runners[0].times)]),
  };
}

/** Stock TF.js against accelerate. */
export async function composedSteps(options: StepsOptions, kinds: readonly ConnectionName[]): Promise<Result> {
  const settings: Setting[] = kinds.flatMap((connection) => [
    { ...base(options), connection, composed: true },
    { ...base(options), connection },
  ]);
  const runners = await measure(options, settings, 1);
  return {
    title: `Stock TF.js against accelerate(tf), C = ${options.width}`,
    note: sizes(options),
    head: ['', 'stock, ms per step', 'accelerated, ms per step', 'stock / accelerated'],
    rows: kinds.map((connection, i) => {
      const [stock, fast] = [runners[2 * i].times, runners[2 * i + 1].times];
      return [connection, milliseconds(stock), milliseconds(fast), ratio(stock, fast, 1)];
    }),
  };
}

/** The demo's mHC run as it comes and with `--kernels composed`. */
export async function demoSteps(options: StepsOptions): Promise<Result> {
  const setting: Setting = { connection: 'mhc', width: 32, depth: 12, batch: 8, context: 32, every: 1 };
  const runners = await measure(options, [{ ...setting, composed: true }, setting], 2);
  return {
    title: "The demo's mHC run, with and without `--kernels composed`",
    note: `12 blocks, C = 32, T = 32, B = 8, n = ${STREAMS}, watched at every step; ${options.rounds} rounds.`,
    head: ['composed, ms per step', 'fused, ms per step', 'composed / fused'],
    rows: [[milliseconds(runners[0].times), milliseconds(runners[1].times), ratio(runners[0].times, runners[1].times, 1)]],
  };
}

/** Each kind of connection unwatched, watched at every step, and at every tenth. */
export async function watchedSteps(options: StepsOptions): Promise<Result> {
  const settings: Setting[] = KINDS.flatMap((connection) => [null, 1, 10].map((every) => ({ ...base(options), connection, every })));
  const runners = await measure(options, settings, 3);
  return {
    title: `Watched and unwatched, C = ${options.width}`,
    note: sizes(options),
    head: ['', 'unwatched, ms per step', 'every step', 'every 10th', 'in our own hooks, every step'],
    rows: KINDS.map((connection, i) => {
      const [plain, each, tenth] = runners.slice(3 * i, 3 * i + 3);
      const own = (1000 * each.monitor!.counters.overheadSeconds) / (options.rounds + 3);
      return [
        connection,
        milliseconds(plain.times),
        ratio(each.times, plain.times),
        ratio(tenth.times, plain.times),
        `${own.toFixed(1)} ms`,
      ];
    }),
  };
}
