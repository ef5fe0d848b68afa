/** The command line as its user starts it: the built program in a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished } from 'vitest';
import type { RunResult } from '../../plugin/cli/results.ts';
import { temporaryFolder } from './folders.ts';

export const GAINWATCH = fileURLToPath(new URL('../../dist/plugin/cli/gainwatch.js', import.meta.url));

export interface Command {
  child: ChildProcess;
  /** Address of the dashboard, as it was printed. */
  url: string;
  stdout: () => string;
  stderr: () => string;
  /** Ctrl-C, then the end. */
  stop: () => Promise<number | null>;
}

/** Starts a command that serves, and waits for its address. @throws where it ends before */
export async function startCommand(args: string[], { program = GAINWATCH, cwd = process.cwd() } = {}): Promise<Command> {
  const child = spawn(process.execPath, [program, ...args], { cwd });
  let out = '';
  let err = '';
  const ended = once(child, 'close');
  child.stdout.on('data', (data: Buffer) => {
    out += data;
  });
  const url = await new Promise<string>((resolve, reject) => {
    child.stderr.on('data', (data: Buffer) => {
      err += data;
      const address = /^Dashboard\s+(\S+)/m.exec(err)?.[1];
      if (address !== undefined) resolve(address.replace(/\?.*/, ''));
    });
    child.once('close', () => reject(new Error(`gainwatch ${args.join(' ')} ended: ${err}`)));
  });
  return {
    child,
    url,
    stdout: () => out,
    stderr: () => err,
    stop: async () => {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGINT');
      const [code] = (await ended) as [number | null];
      return code;
    },
  };
}

/** Runs a command to its end. */
export async function runCommand(
  args: string[],
  env: Record<string, string> = {},
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [GAINWATCH, ...args], { env: { ...process.env, ...env } });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (data: Buffer) => {
    stdout += data;
  });
  child.stderr.on('data', (data: Buffer) => {
    stderr += data;
  });
  const [code] = (await once(child, 'close')) as [number | null];
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

/** A server on a free port of this machine, closed at the end of the test. @returns its port */
export async function listenLocally(answer?: RequestListener): Promise<number> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  onTestFinished(() => void server.close());
  return (server.address() as { port: number }).port;
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
