#!/usr/bin/env node
/** The command line: reads the arguments and calls the command. TF.js is loaded only where a model is trained. */
import { Command, Option } from 'commander';
import type { RecomputeMode } from '../../src/connections/recompute.ts';
import type { Storage } from '../../src/kernels/accelerate.ts';
import { packageVersion } from '../service.ts';
import { tokenOf } from '../token.ts';
import { BACKENDS, type BackendName, loadBackend, startBackend } from './backend.ts';
import type { DemoOptions } from './demo.ts';
import { exportCsv } from './export.ts';
import { notify } from './notify.ts';
import { notifyFlag, positive, runsFlag, type ServerFlags, serverFlags, wholeNumber } from './options.ts';
import { type ReplayFlags, replay, serve } from './serve.ts';

const program = new Command('gainwatch')
  .description('Sees a hyper-connection training run going wrong before the loss does.')
  .version(packageVersion())
  .showHelpAfterError('(--help shows what there is)');

const withServer = (command: Command): Command => {
  for (const option of serverFlags()) command.addOption(option);
  return command;
};

/** Not those of src: that loads TF.js. */
const RECOMPUTE = ['none', 'connections', 'blocks'] as const satisfies readonly RecomputeMode[];
const STORAGE = ['float32', 'float16'] as const satisfies readonly Storage[];

interface DemoFlags extends ServerFlags {
  backend: BackendName;
  steps?: number;
  depth?: number;
  width?: number;
  streams: number;
  lr: number;
  seed: number;
  kernels: 'fused' | 'composed';
  recompute: RecomputeMode;
  storage: Storage;
  text?: string;
  runs: string;
  long: boolean;
  exit: boolean;
  json: boolean;
}

withServer(
  program
    .command('demo')
    .description(
      'Train HC, mHC and residual models on the same real text, watched, with dashboard and /metrics. About half a minute on 2 cores.',
    )
    .option('--exit', 'end after the training instead of serving on', false)
    .addOption(new Option('--backend <name>', 'where TF.js computes').choices(BACKENDS).default('wasm'))
    .option('--steps <number>', 'training steps of each model (default: 240; with --long 3000 at most)', wholeNumber(1))
    .option('--depth <number>', 'blocks, each with two connections (default: 12; with --long 16)', wholeNumber(1, 256))
    .option('--width <number>', 'C (default: 32; with --long 16)', wholeNumber(1, 4096))
    .option('--streams <number>', 'n, 1 to 8', wholeNumber(1, 8), 4)
    .option('--lr <rate>', 'learning rate', positive, 6e-3)
    .option('--seed <number>', 'of weights and order of the text', wholeNumber(0), 1)
    .addOption(
      new Option('--kernels <kind>', "'composed': stock TF.js operations only, to compare with")
        .choices(['fused', 'composed'])
        .default('fused'),
    )
    .addOption(
      new Option(
        '--recompute <mode>',
        "computed again in the backward pass instead of kept: 'connections' only the mixing of the streams, 'blocks' whole blocks",
      )
        .choices(RECOMPUTE)
        .default('none'),
    )
    .addOption(
      new Option('--storage <format>', "of the streams on webgpu: 'float16' halves their bytes (with --backend webgpu only)")
        .choices(STORAGE)
        .default('float32'),
    )
    .option('--text <path>', "file or folder to train on (default: Milton's Paradise Lost, which comes with gainwatch)")
    .option('--long', 'train a deeper, narrower model until the composite gain of HC has passed 1000', false)
    .option('--json', 'print the results as JSON', false)
    .addOption(notifyFlag().env('GAINWATCH_NOTIFY'))
    .addOption(runsFlag()),
).action(async (flags: DemoFlags) => {
  const { backend, kernels, storage } = flags;
  if (storage === 'float16') {
    if (backend !== 'webgpu') throw new Error(`--storage float16 is for --backend webgpu only, got --backend ${backend}`);
    if (kernels !== 'fused') throw new Error(`--storage float16 is for --kernels fused only, got --kernels ${kernels}`);
  }
  await (kernels === 'fused' ? loadBackend(backend, storage) : startBackend(backend));
  const { demo } = await import('./demo.ts');
  const token = tokenOf(flags);
  const { host, allowHost, basePath, notify = [], port } = flags;
  const options: DemoOptions = {
    steps: flags.steps ?? (flags.long ? 3000 : 240),
    depth: flags.depth ?? (flags.long ? 16 : 12),
    width: flags.width ?? (flags.long ? 16 : 32),
    streams: flags.streams,
    lr: flags.lr,
    seed: flags.seed,
    recompute: flags.recompute,
    storage,
    text: flags.text,
    untilGain: flags.long ? 1000 : null,
    exit: flags.exit,
    json: flags.json,
    server: {
      url: '',
      host,
      allowHost,
      basePath,
      notify,
      ...(token === null ? {} : { token }),
      ...(port === undefined ? {} : { port }),
    },
    runs: flags.runs,
  };
  if (!(await demo(options))) process.exitCode = 1;
});

withServer(
  program
    .command('serve')
    .description('Dashboard, /metrics and the HTTP interface over a folder of recordings and the runs that are sent to it.')
    .option('--rank-label', 'metrics of each data-parallel rank too: more series', false)
    .addOption(notifyFlag().env('GAINWATCH_NOTIFY'))
    .addOption(runsFlag()),
).action((flags: ServerFlags & { runs: string }) => serve(flags));

withServer(
  program
    .command('replay')
    .description('Feed a recording through the pipeline again: dashboard, metrics and stream as if the run went on.')
    .argument('<file>', 'a recording, RUN.sqlite')
    .option('--speed <factor>', 'times the speed of the recording', positive, 1)
    .option('--exit', 'end after the last step instead of serving on', false)
    .addOption(notifyFlag())
    .option('--runs <folder>', 'record the replay there, as a new attempt (default: recorded nowhere)'),
).action((file: string, flags: ReplayFlags) => replay(file, flags));

program
  .command('export')
  .description('A recording as CSV: one row per attempt, step and connection.')
  .argument('<file>', 'a recording, RUN.sqlite')
  .option('--out <file>', 'file to write (default: standard output)')
  .action((file: string, { out }: { out?: string }) => exportCsv(file, out));

program
  .command('notify')
  .description('Post a test warning to addresses, as a run would, to see that they are right.')
  .argument('<address...>', "http or https; slack:https://… for Slack's format")
  .action(async (addresses: string[]) => {
    if (!(await notify(addresses))) process.exitCode = 1;
  });

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0); // `gainwatch export … | head`
  throw error;
});

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`gainwatch: ${(error as Error).message}\n`);
  process.exitCode = 1;
}
