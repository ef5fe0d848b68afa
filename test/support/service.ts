/**
 * A service for a test, on a free port, closed at the end; and requests to it. Its clock begins at the time of the steps made for
 * tests: were they long ago, the run would have stalled after some seconds.
 */
import { request as httpRequest } from 'node:http';
import { onTestFinished } from 'vitest';
import { type Service, type ServiceOptions, startService } from '../../dist/plugin/service.js';
import { temporaryFolder } from './folders.ts';
import { TEST_TIME } from './samples.ts';

export async function start(change: Partial<ServiceOptions> = {}): Promise<Service & { problems: string[] }> {
  const problems: string[] = [];
  const startedAt = Date.now();
  const service = await startService({
    directory: temporaryFolder(),
    host: '127.0.0.1',
    port: 0,
    portGiven: true,
    token: null,
    allowHost: [],
    basePath: '',
    notify: [],
    now: () => TEST_TIME + (Date.now() - startedAt),
    onProblem: (message) => problems.push(message),
    ...change,
  });
  onTestFinished(() => service.close());
  return { ...service, problems };
}

export interface Answer {
  status: number;
  headers: Record<string, unknown>;
  body: string;
}

/** A request with headers that fetch would not let through (Host). */
export function ask(
  service: Pick<Service, 'port'>,
  path: string,
  headers: Record<string, string> = {},
  method = 'GET',
  body?: Uint8Array,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest({ host: '127.0.0.1', port: service.port, path, headers, method }, (answer) => {
      let text = '';
      answer.on('data', (part: Buffer) => {
        text += part;
      });
      answer.on('end', () => resolve({ status: answer.statusCode!, headers: answer.headers, body: text }));
    });
    outgoing.on('error', reject).end(body);
  });
}

export const json = async <T>(service: Service, path: string) => (await (await fetch(service.url + path)).json()) as T;
