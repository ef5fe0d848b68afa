/** The flags of `gainwatch demo`. What it does is in demo.ts, which is loaded after the backend. */
import { type Command, Option } from 'commander';
import { MAX_GAIN_CRITICAL } from '../../alerts/limits.ts';
import type { RecomputeMode } from '../../src/connections/recompute.ts';
import type { Storage } from '../../src/kernels/accelerate.ts';
import { readTokens } from '../token.ts';
import { BACKENDS, type BackendName, loadBackend, startBackend } from './backend.ts';
import type { DemoOptions } from './demo.ts';
import { notifyFlag, parsePositive, parseWholeNumber, runsFlag, type ServerFlags, tell, withServerFlags } from './options.ts';

/** Not those of src: that loads TF.js. */
const RECOMPUTE = ['none', 'connections', 'blocks'] as const satisfies readonly RecomputeMode[];
const STORAGE = ['float32', 'float16'] as const satisfies readonly Storage[];

/** Our choice: half a minute on two cores, in which the composite gain of HC passes its limits. */
const SHORT = { steps: 240, depth: 12, width: 32, untilGain: null };
/** Our choice: deeper, so that the gain grows further, and narrower. */
const LONG = { steps: 3000, depth: 16, width: 16, untilGain: MAX_GAIN_CRITICAL };

interface DemoFlags extends ServerFlags, Omit<DemoOptions, 'server' | keyof typeof SHORT>, Partial<Omit<typeof SHORT, 'untilGain'>> {
  backend: BackendName;
  kernels: 'fused' | 'composed';
  long: boolean;
}

/** Adds the command with its flags and its help. */
export function addDemoCommand(program: Command): void {
  const command = program
    .command('demo')
    .description(
      'Train HC, mHC and residual models on the same real text, watched, with dashboard and /metrics. About half a minute on 2 cores.',
    )
    .option('--exit', 'end after the training instead of serving on', false)
    .addOption(new Option('--backend <name>', 'where TF.js computes').choices(BACKENDS).default('wasm'))
    .option(
      '--steps <number>',
      `training steps of each model (default: ${SHORT.steps}; with --long ${LONG.steps} at most)`,
      parseWholeNumber(1),
    )
    .option(
      '--depth <number>',
      `blocks, each with two connections (default: ${SHORT.depth}; with --long ${LONG.depth})`,
      parseWholeNumber(1, 256),
    )
    .option('--width <number>', `C (default: ${SHORT.width}; with --long ${LONG.width})`, parseWholeNumber(1, 4096))
    .option('--streams <number>', 'n, 1 to 8', parseWholeNumber(1, 8), 4)
    .option('--lr <rate>', 'learning rate', parsePositive, 6e-3)
    .option('--seed <number>', 'of weights and order of the text', parseWholeNumber(0), 1)
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
    .option('--long', `train a deeper, narrower model until the composite gain of HC has passed ${MAX_GAIN_CRITICAL}`, false)
    .option('--json', 'print the results as JSON', false)
    .addOption(notifyFlag().env('GAINWATCH_NOTIFY'))
    .addOption(runsFlag());
  withServerFlags(command).action(runDemo);
}

async function runDemo(flags: DemoFlags): Promise<void> {
  const { backend, kernels, storage } = flags;
  if (storage === 'float16') {
    if (backend !== 'webgpu') throw new Error(`--storage float16 is for --backend webgpu only, got --backend ${backend}`);
    if (kernels !== 'fused') throw new Error(`--storage float16 is for --kernels fused only, got --kernels ${kernels}`);
  }
  await (kernels === 'fused' ? loadBackend(backend, storage) : startBackend(backend));
  const { demo } = await import('./demo.ts');
  const { host, allowHost, basePath, notify = [], port } = flags;
  const server = { url: '', host, allowHost, basePath, notify, tokens: readTokens(flags, tell), ...(port !== undefined && { port }) };
  if (!(await demo({ ...(flags.long ? LONG : SHORT), ...flags, server }))) process.exitCode = 1;
}
