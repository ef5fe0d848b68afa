/**
 * A service for a test, on a free port, closed at the end; and requests to it. Its clock begins at the time of the steps made for
 * tests: were they long ago, the run would have stalled after some seconds.
 */
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
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
    viewToken: null,
    sendToken: null,
    decideToken: null,
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

/** A request that the test writes and ends, with headers that fetch would not let through (Host). */
export const begin = ({ port }: { port: number | string }, path: string, headers: Record<string, string | number> = {}, method = 'POST') =>
  // Each on a connection of its own: one that is kept may be that of a server before it.
  request({ host: '127.0.0.1', port, path, headers, method, agent: false }).on('error', () => {}); // one after the answer is nobody's

/** @throws where there is none */
export async function answerTo(outgoing: ReturnType<typeof begin>) {
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  return { status: response.statusCode!, headers: response.headers, body: await text(response) };
}

/** A request with such headers, from its beginning to its answer. */
export const ask = (
  service: { port: number | string },
  path: string,
  headers: Record<string, string> = {},
  method = 'GET',
  body?: Uint8Array,
) => answerTo(begin(service, path, headers, method).end(body));

/** What comes back for these bytes, written as they are, until the server closes. */
export async function sendRaw({ port }: { port: number | string }, bytes: string | Uint8Array): Promise<string> {
  const socket = connect(Number(port), '127.0.0.1');
  socket.on('error', () => {}); // ends what is read
  socket.write(bytes);
  return text(socket).catch(() => '');
}

/** What a browser would send back of the cookies of an answer. */
export const cookieOf = ({ headers }: { headers: Record<string, string | string[] | undefined> }): string =>
  [headers['set-cookie'] ?? []]
    .flat()
    .map((cookie) => cookie.split(';')[0])
    .join('; ');

export const json = async <T>(service: { url: string }, path: string) => (await (await fetch(service.url + path)).json()) as T;
