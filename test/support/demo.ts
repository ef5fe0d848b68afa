/** The command line as its user starts it: the built program in a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

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

/** Starts a command that serves, and waits for its address. */
export async function startCommand(args: string[]): Promise<Command> {
  const child = spawn(process.execPath, [GAINWATCH, ...args]);
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
