/**
 * The server under torture: a `gainwatch serve` of its own process, as nobody, on a small disk of its own, with a clock that can be
 * set. What a machine lacks for that is left out and said. It is started again whenever it is not there.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

/** Built from these sources: beside dist/test/torture, and from test/torture. */
export const CLI = [
  join(import.meta.dirname, '../../plugin/cli/gainwatch.js'),
  join(import.meta.dirname, '../../dist/plugin/cli/gainwatch.js'),
].find(existsSync)!;
const NOBODY = 65534;
const FAKETIME = ['/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1', '/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1'];
/** Of the disk. Our choice: some times what a seed records. */
const DISK = '128m';

export interface Server {
  readonly cli: string;
  /** A disk of its own where that could be had; runs, moved, deleted lie in it. */
  readonly disk: string;
  readonly runs: string;
  readonly url: string;
  readonly port: number;
  /** What its machine can: without root no disk and no other user, without libfaketime no clock. */
  readonly can: { readonly mount: boolean; readonly nobody: boolean; readonly clock: boolean };
  child: ChildProcess | null;
  listens: boolean;
  /** It shall be dead at the moment. */
  isDown: boolean;
  /** It died although nobody killed it, after it had listened. */
  crashes: number;
  /** Starts so far. */
  starts: number;
  /** What it printed. */
  readonly lines: string[];
  readonly onEvent: (text: string) => void;
  readonly onLine: (line: string) => void;
}

const has = (program: string): boolean => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;

/** A server that does not run yet. @param cli its gainwatch.js. @param onEvent gets what befalls it. @param onLine what it prints */
export async function createServerState(cli: string, onEvent: (text: string) => void, onLine: (line: string) => void): Promise<Server> {
  const disk = mkdtempSync(join(tmpdir(), 'gainwatch-torture-'));
  const isRoot = process.getuid?.() === 0;
  const mount = isRoot && spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK},mode=755`, 'tmpfs', disk]).status === 0;
  const nobody = isRoot && has('setpriv');
  for (const folder of ['runs', 'moved', 'deleted']) mkdirSync(join(disk, folder));
  if (nobody) {
    chmodSync(disk, 0o755);
    chownSync(join(disk, 'runs'), NOBODY, NOBODY);
  }
  const port = await freePort();
  const can = { mount, nobody, clock: FAKETIME.some(existsSync) };
  writeFileSync(join(disk, 'clock'), '+0');
  const server = { child: null, listens: false, isDown: true, crashes: 0, starts: 0, lines: [], onEvent, onLine };
  return { cli, disk, runs: join(disk, 'runs'), url: `http://127.0.0.1:${port}`, port, can, ...server };
}

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

/** What a command begins with to have the server's user. */
export const asServer = ({ can }: Server): string[] =>
  can.nobody ? ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'] : [];

/** A process that may do what the server may; its clock is the server's. */
export function spawnAsServer(server: Server, command: string, args: readonly string[]): ChildProcess {
  const { can, disk } = server;
  // Set by `env` after the change of user: libfaketime's shared memory is then that user's.
  const clock = can.clock ? ['env', `LD_PRELOAD=${FAKETIME.find(existsSync)}`] : [];
  const [first, ...rest] = [...asServer(server), ...clock, command, ...args];
  const faked = { FAKETIME_TIMESTAMP_FILE: join(disk, 'clock'), FAKETIME_CACHE_DURATION: '1', NO_FAKE_STAT: '1' };
  const env = { ...process.env, ...faked, FAKETIME_DONT_FAKE_MONOTONIC: '1', DONT_FAKE_MONOTONIC: '1' };
  return spawn(first, rest, { stdio: ['pipe', 'ignore', 'pipe'], env });
}

/** A `gainwatch serve` on the server's folder. @param onLine gets what it prints */
export function spawnServe(server: Server, port: number, onLine: (line: string) => void): ChildProcess {
  const child = spawnAsServer(server, process.execPath, [server.cli, 'serve', '--runs', server.runs, '--port', String(port)]);
  child.stderr!.on('data', (printed: Buffer) => {
    for (const line of String(printed).split('\n')) if (line.trim() !== '') onLine(line);
  });
  child.stdin!.on('error', () => {});
  return child;
}

/** Starts it, and again whenever it has ended, until `isDown`. */
export function startServer(server: Server): void {
  server.isDown = false;
  const child = spawnServe(server, server.port, (line) => {
    if (line.includes(`:${server.port}/`)) server.listens = true;
    server.lines.push(line);
    server.onLine(line);
  });
  server.starts++;
  server.child = child;
  child.once('exit', (code, signal) => {
    const listened = server.listens;
    server.listens = false;
    server.child = null;
    if (server.isDown) return;
    server.onEvent(`the server ended by itself: ${code ?? signal}${listened ? '' : ', before it listened'}: ${lastLines(server)}`);
    if (listened) server.crashes++;
    setTimeout(() => {
      if (!server.isDown && server.child === null) startServer(server);
    }, 1000);
  });
}

/** @param signal SIGKILL, or SIGTERM, after which it has a while. @returns whether it ended by itself in time */
export async function endServer(server: Server, signal: NodeJS.Signals, ms = 30_000): Promise<boolean> {
  server.isDown = true;
  const { child } = server;
  if (child === null) return true;
  const ended = new Promise((resolve) => child.once('exit', () => resolve(true)));
  child.kill(signal);
  if (await Promise.race([ended, pause(ms, false)])) return true;
  child.kill('SIGKILL');
  await ended;
  return false;
}

/** The end of what it printed. */
export const lastLines = ({ lines }: Server): string => lines.slice(-5).join(' | ');

/** All that it had is gone. */
export function removeServer(server: Server): void {
  server.child?.kill('SIGKILL');
  if (server.can.mount) execFileSync('umount', ['-l', server.disk]);
  rmSync(server.disk, { recursive: true, force: true });
}
