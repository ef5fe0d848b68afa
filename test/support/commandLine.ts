/** The command line as its user starts it: the built program in a process of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished } from 'vitest';
import type { RunResult } from '../../plugin/cli/results.ts';
import { temporaryFolder } from './folders.ts';

/** The program. */
export const GAINWATCH = fileURLToPath(new URL('../../dist/plugin/cli/gainwatch.js', import.meta.url));

export type Command = Awaited<ReturnType<typeof startCommand>>;

/** What has come by now. */
export function collect(...streams: Readable[]): () => string {
  let all = '';
  for (const stream of streams) {
    stream.on('data', (data: Buffer) => {
      all += data;
    });
  }
  return () => all;
}

/** Starts a command that serves, and waits for its address. @param through program that starts it. @throws where it ends before */
export async function startCommand(
  args: string[],
  { program = GAINWATCH, cwd = process.cwd(), through = [] as string[], env = {} as Record<string, string> } = {},
) {
  const [first, ...rest] = [...through, process.execPath, program, ...args];
  const child = spawn(first, rest, { cwd, env: { ...process.env, ...env } });
  const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
  const ended = once(child, 'close');
  /** Of the dashboard, as it was printed. */
  const url = await new Promise<string>((resolve, reject) => {
    child.stderr.on('data', () => {
      const address = /^Dashboard\s+(\S+)/m.exec(stderr())?.[1];
      if (address !== undefined) resolve(address.replace(/\?.*/, ''));
    });
    child.once('close', () => reject(new Error(`gainwatch ${args.join(' ')} ended: ${stderr()}`)));
  });
  /** Ctrl-C, then the end. */
  const stop = async (): Promise<number | null> => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGINT');
    const [code] = await ended;
    return code;
  };
  return { child, url, stdout, stderr, stop };
}

/** The same, stopped at the end of the test. */
export async function startForTest(...command: Parameters<typeof startCommand>): Promise<Command> {
  const started = await startCommand(...command);
  onTestFinished(async () => void (await started.stop()));
  return started;
}

/** Runs a command to its end. */
export async function runCommand(args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [GAINWATCH, ...args]);
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { code, stdout, stderr };
}

/** A demo of so many steps, small enough for a test. */
export const small = (steps: number): string[] => ['--steps', String(steps), '--depth', '1', '--width', '8', '--streams', '2'];

/** Runs a demo to its end, which must be a good one. */
export async function runDemo(args: string[]): Promise<{ results: RunResult[]; stderr: string; runs: string }> {
  const runs = temporaryFolder();
  const { code, stdout, stderr } = await runCommand(['demo', ...args, '--port', '0', '--exit', '--json', '--runs', runs]);
  expect(code, stderr).toBe(0);
  return { results: JSON.parse(stdout) as RunResult[], stderr, runs };
}

/** Were three models trained, nothing lost, and are the gains those of their kinds? */
export function expectGoodDemo(results: readonly RunResult[], steps: number): void {
  expect(results.map((r) => r.run)).toEqual(['hc', 'mhc', 'residual']);
  for (const result of results) expect(result).toMatchObject({ steps, samplesDropped: 0, errors: 0 });
  const [, mhc, residual] = results;
  expect(Math.abs(mhc.maxCompositeForwardGain - 1)).toBeLessThan(1e-5);
  expect(mhc.maxCompositeBackwardGain).toBeLessThan(2);
  expect(mhc.offDiagonalMass).toBeGreaterThan(0);
  expect(residual).toMatchObject({ maxCompositeForwardGain: 1, maxCompositeBackwardGain: 1, offDiagonalMass: 0 });
}
