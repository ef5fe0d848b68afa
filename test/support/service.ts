/** A service for a test, on a free port, closed at the end; and requests to it. */
import { request as httpRequest } from 'node:http';
import { onTestFinished } from 'vitest';
import { type Service, type ServiceOptions, startService } from '../../dist/plugin/service.js';
import type { StepAnswer } from '../../src/telemetry/api.ts';
import { temporaryFolder } from './folders.ts';

export async function start(change: Partial<ServiceOptions> = {}): Promise<Service & { problems: string[] }> {
  const problems: string[] = [];
  const service = await startService({
    directory: temporaryFolder(),
    host: '127.0.0.1',
    port: 0,
    portGiven: true,
    token: null,
    allowHost: [],
    basePath: '',
    notify: [],
    now: Date.now,
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

/** Events of the stream until `count` steps have come. */
export async function listen(service: Service, count: number, query = '', lastEventId?: string) {
  const abort = new AbortController();
  const response = await fetch(`${service.url}api/v1/stream${query}`, {
    signal: abort.signal,
    ...(lastEventId === undefined ? {} : { headers: { 'Last-Event-ID': lastEventId } }),
  });
  const events: { event: string; id: string; data: StepAnswer }[] = [];
  let text = '';
  for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
    text += part;
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const fields = Object.fromEntries(
        text
          .slice(0, end)
          .split('\n')
          .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
      );
      text = text.slice(end + 2);
      if (fields['event'] !== undefined)
        events.push({ event: fields['event'], id: fields['id'] ?? '', data: JSON.parse(fields['data']) as StepAnswer });
    }
    if (events.filter((e) => e.event === 'step').length >= count) break;
  }
  abort.abort();
  return events;
}
