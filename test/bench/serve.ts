/** A `gainwatch serve` as a process of its own, over a folder that goes with it, and requests to it. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

const CLI = join(import.meta.dirname, '../../plugin/cli/gainwatch.js');

export async function startServe() {
  const folder = mkdtempSync(join(tmpdir(), 'gainwatch-serve-'));
  const child = spawn(process.execPath, [CLI, 'serve', '--runs', folder, '--port', '0'], { stdio: ['ignore', 'inherit', 'pipe'] });
  const port = await new Promise<number>((resolve) => {
    child.stderr.on('data', (printed: Buffer) => {
      const found = /http:\/\/127\.0\.0\.1:(\d+)\//.exec(String(printed));
      if (found !== null) resolve(Number(found[1]));
      else process.stderr.write(printed);
    });
  });
  const agent = new Agent({ keepAlive: true });
  const ask = (method: string, path: string, body?: Buffer, headers: Record<string, string> = {}) =>
    new Promise<{ status: number; text: string }>((resolve, reject) => {
      const outgoing = request({ agent, host: '127.0.0.1', port, method, path, headers }, async (response) =>
        resolve({ status: response.statusCode ?? 0, text: await text(response) }),
      );
      // A connection kept for reuse may be closed by the server in the moment it is used: asked again, as Prometheus does.
      outgoing.on('error', (error) => (outgoing.reusedSocket ? ask(method, path, body, headers).then(resolve, reject) : reject(error)));
      outgoing.end(body);
    });
  const status = (field: string) =>
    Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) / 1024;
  return {
    ask,
    /** Of its memory that is resident, MiB. */
    memory: () => status('VmRSS'),
    /** The most of it since the last call, MiB. */
    peakMemory: () => {
      const most = status('VmHWM');
      writeFileSync(`/proc/${child.pid}/clear_refs`, '5');
      return most;
    },
    /** Bytes of the files in its folder. */
    diskBytes: () => readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0),
    /** Has it ended by itself? */
    hasEnded: () => child.exitCode !== null || child.signalCode !== null,
    stop: () => {
      child.once('exit', () => rmSync(folder, { recursive: true, force: true }));
      child.kill('SIGTERM');
      agent.destroy();
    },
  };
}
