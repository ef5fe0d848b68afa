/** A service for a test, on a free port, closed at the end; and requests to it. */
import { request as httpRequest } from 'node:http';
import { expect, onTestFinished } from 'vitest';
import { type Service, type ServiceOptions, startService } from '../../dist/plugin/service.js';
import type { StepAnswer, WarningAnswer } from '../../src/telemetry/api.ts';
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

export interface StreamEvent {
  event: string;
  id: string;
  /** Of a step; `active` of a warning. */
  data: StepAnswer & Partial<Pick<WarningAnswer, 'active'>>;
}

/** The stream, once it is subscribed to (a run must be there); `events` grows as they come, until it is closed or the test ends. */
export async function openStream(service: Service, query = '', lastEventId?: string) {
  const abort = new AbortController();
  const close = () => abort.abort();
  onTestFinished(close);
  const headers: Record<string, string> = lastEventId === undefined ? {} : { 'Last-Event-ID': lastEventId };
  const response = await fetch(`${service.url}api/v1/stream${query}`, { signal: abort.signal, headers });
  const events: StreamEvent[] = [];
  const read = async () => {
    let text = '';
    for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
      text += part;
      const blocks = text.split('\n\n');
      text = blocks.pop()!;
      for (const block of blocks) {
        const lines = block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]);
        const { event, id = '', data } = Object.fromEntries(lines) as Record<string, string | undefined>;
        if (event !== undefined) events.push({ event, id, data: JSON.parse(data!) as StreamEvent['data'] });
      }
    }
  };
  read().catch(() => {}); // it was closed
  await expect.poll(() => events.some(({ event }) => event === 'run')).toBe(true);
  return { events, close };
}

export const stepsOf = (events: readonly StreamEvent[]): StreamEvent[] => events.filter(({ event }) => event === 'step');

/** Events of the stream until `count` steps have come. */
export async function listen(service: Service, count: number, query = '', lastEventId?: string): Promise<StreamEvent[]> {
  const { events, close } = await openStream(service, query, lastEventId);
  await expect.poll(() => stepsOf(events).length).toBeGreaterThanOrEqual(count);
  close();
  return events;
}
