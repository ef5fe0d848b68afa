/** PyTorch trainings as processes of their own (test/e2e/pytorch/train.py), where .ci/pytorch.sh has put a Python that has it. */
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { collect } from './commandLine.ts';

const SENDER = fileURLToPath(new URL('../../plugin/python/', import.meta.url));
const FOLDER = fileURLToPath(new URL('../e2e/pytorch/', import.meta.url));
/** What is learnt: a text that stays as it is, so that the trainings do. */
const TEXT = fileURLToPath(new URL('../fixtures/mhc.json', import.meta.url));
/** Versions of lucidrains' package that mix the streams: the first, and the newest that was tried. */
export const FIRST = '0.3.12';
export const NEWEST = '0.4.11';

/** Path of a Python with PyTorch and both versions; null, after saying what to install. */
export function findPytorch(): string | null {
  const cache = process.env['GAINWATCH_CI_CACHE'] ?? join(homedir(), '.cache/gainwatch-ci');
  const python = process.env['GAINWATCH_PYTHON'] ?? join(cache, 'torch-venv/bin/python');
  const complete = [FIRST, NEWEST].every((version) => existsSync(join(packagesOf(python), version, 'hyper_connections')));
  if (complete && spawnSync(python, ['-c', 'import torch, numpy, einops']).status === 0) return python;
  console.warn(
    `\nSKIPPED: PyTorch is missing at ${python}. Install it (.ci/pytorch.sh) or set GAINWATCH_PYTHON to the Python that it names.\n`,
  );
  return null;
}

const packagesOf = (python: string): string =>
  process.env['GAINWATCH_HYPER_CONNECTIONS'] ?? join(dirname(dirname(python)), 'hyper-connections');

export interface TrainingOptions {
  /** Of lucidrains' package. */
  version?: string;
  /** Above 1: of torchrun. */
  ranks?: number;
}

/** A Python that finds the packages of the tests and the sender. @param args after its name */
export function spawnPython(python: string, args: readonly string[], version = NEWEST): ChildProcessWithoutNullStreams {
  const path = [join(packagesOf(python), version), SENDER, FOLDER].join(delimiter);
  return spawn(python, args, { env: { ...process.env, PYTHONPATH: path, OMP_NUM_THREADS: '1', PYTHONUNBUFFERED: '1' } });
}

export function startTraining(python: string, args: readonly string[], { version = NEWEST, ranks = 1 }: TrainingOptions = {}) {
  // After `--`: else it takes --run for its --run-path.
  const torchrun = ['-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', String(ranks), '--'];
  const child = spawnPython(python, [...(ranks > 1 ? torchrun : []), join(FOLDER, 'train.py'), '--text', TEXT, ...args], version);
  const output = collect(child.stdout, child.stderr);
  /** Both streams. @throws with them, where it did not end with 0 */
  const ended = once(child, 'close').then(([code]) => {
    if (code !== 0) throw new Error(`train.py ${args.join(' ')} ended with ${code}: ${output()}`);
    return output();
  });
  ended.catch(() => {}); // whoever waits for it hears of it
  return { child, output, ended };
}

export const DUMPED = ['forwardGain', 'backwardGain', 'compositeForwardGain', 'compositeBackwardGain'] as const;
type ExpectedStep = { step: number; compositeGain: number } & Record<(typeof DUMPED)[number], number[]>;

/** What NumPy makes of a folder that --dump has filled. */
export function measureDump(python: string, folder: string): ExpectedStep[] {
  const { status, stdout, stderr } = spawnSync(python, [join(FOLDER, 'measures.py'), folder], { encoding: 'utf8', maxBuffer: 2 ** 26 });
  if (status !== 0) throw new Error(stderr);
  return Object.values(JSON.parse(stdout) as Record<string, ExpectedStep[]>)[0];
}
