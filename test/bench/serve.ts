/** A `gainwatch serve` as a process of its own, over a folder that goes with it, and requests to it. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Served {
  ask(method: string, path: string, body?: Buffer, headers?: Record<string, string>): Promise<{ status: number; text: string }>;
  /** Of its memory that is resident, MiB. */
  memory(): number;
  /** Has it ended by itself? */
  hasEnded(): boolean;
  stop(): void;
}

const CLI = join(import.meta.dirname, '../../plugin/cli/gainwatch.js');

export async function startServe(): Promise<Served> {
  const folder = mkdtempSync(join(tmpdir(), 'gainwatch-serve-'));
  const child = spawn(process.execPath, [CLI, 'serve', '--runs', folder, '--port', '0'], { stdio: ['ignore', 'inherit', 'pipe'] });
  const port = await new Promise<number>((resolve) => {
    child.stderr.on('data', (text: Buffer) => {
      const found = /http:\/\/127\.0\.0\.1:(\d+)\//.exec(String(text));
      if (found !== null) resolve(Number(found[1]));
      else process.stderr.write(text);
    });
  });
  const agent = new Agent({ keepAlive: true });
  const ask: Served['ask'] = (method, path, body, headers = {}) =>
    new Promise((resolve, reject) => {
      const outgoing = request({ agent, host: '127.0.0.1', port, method, path, headers }, (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(parts).toString() }));
      });
      // A connection kept for reuse may be closed by the server in the moment it is used: asked again, as Prometheus does.
      outgoing.on('error', (error) => (outgoing.reusedSocket ? ask(method, path, body, headers).then(resolve, reject) : reject(error)));
      outgoing.end(body);
    });
  return {
    ask,
    memory: () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) / 1024,
    hasEnded: () => child.exitCode !== null || child.signalCode !== null,
    stop: () => {
      child.kill('SIGTERM');
      agent.destroy();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
