/**
 * The HTTP server under the application: how long a client may take with its headers and with an answer, how many connections there may
 * be, and JSON for what Node itself refuses. Opens no port (listen.ts), knows no route.
 */
import { createServer, type RequestListener, type Server, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { WarnOnce } from '../warnOnce.ts';

/** Of one request, to its last byte. Our choice: half a gigabyte may come through a slow tunnel. Bodies of steps have less of their own. */
const REQUEST_TIMEOUT_MS = 3_600_000;
/** From the first byte of a request, or from the connection, to the end of its headers. As Apache's mod_reqtimeout (header=20). */
const HEADERS_TIMEOUT_MS = 20_000;
/** How often those two are looked at. Our choice; Node's 30 s would make the 20 s 50. */
const CHECK_TIMEOUTS_MS = 5000;
/** That nothing moves on a connection: a client that does not read its answer. Our choice: longer than the check of an upload (120 s). */
const IDLE_TIMEOUT_MS = 180_000;
/** Between two requests of a connection. Our choice: longer than proxies keep theirs (60 s), else a request may meet our end. */
const KEEP_ALIVE_MS = 65_000;
/** Our choice: 3000 pages with a stream were tried. */
const MAX_CONNECTIONS = 4096;
/** That wait for a request or the rest of its headers; beyond, the one that waits longest is closed. Our choice: twice 512 ranks. */
const MAX_WAITING = 1024;
/** How long a client may go on sending what nobody reads, once it has its answer. Our choice. */
const MAX_UNREAD_MS = 10_000;

/** The server of an application. @param warnOnce is told that there are too many connections */
export function createHttpServer(app: RequestListener, warnOnce: WarnOnce): Server {
  const options = {
    requestTimeout: REQUEST_TIMEOUT_MS,
    headersTimeout: HEADERS_TIMEOUT_MS,
    connectionsCheckingInterval: CHECK_TIMEOUTS_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    requireHostHeader: false, // the application refuses one without, in its own words
  };
  const server = createServer(options, app);
  server.maxConnections = MAX_CONNECTIONS;
  server.timeout = IDLE_TIMEOUT_MS;
  // No handle left to accept a connection with: the next one may find one.
  server.on('error', (error) => server.listening && warnOnce('accept', `a connection could not be accepted: ${error.message}`));
  server.on('drop', () => warnOnce('connections', `more than ${MAX_CONNECTIONS} connections are open: new ones are refused`));
  // What else than 100-continue a client expects is no reason to refuse it (RFC 9110, 10.1.1).
  server.on('checkExpectation', (request, response) => server.emit('request', request, response));
  /** Without a request in work, the one that waits longest first. */
  const waiting = new Set<Socket>();
  const wait = (socket: Socket) => {
    if (socket.destroyed) return;
    waiting.add(socket);
    if (waiting.size > MAX_WAITING) waiting.values().next().value?.destroy();
  };
  server.on('connection', (socket) => {
    socket.once('close', () => waiting.delete(socket));
    wait(socket);
  });
  server.on('request', (request, response) => {
    const { socket } = request;
    waiting.delete(socket);
    // One without a listener would end the process.
    response.on('error', () => {});
    response.once('close', () => wait(socket));
    // Only an upload and steps are read before they are answered: all others have a few seconds instead of the hour.
    response.once('finish', () => {
      if (!request.complete) setTimeout(() => request.complete || request.destroy(), MAX_UNREAD_MS).unref();
    });
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    // In the middle of an answer it would be taken for a part of it.
    if (!socket.writable || !waiting.has(socket as Socket)) socket.destroy();
    else socket.end(refusalOf(error.code ?? ''), () => socket.destroy());
  });
  return server;
}

/** What Node refuses before there is a request, by its code. */
const REFUSED: Record<string, [status: number, field: string, rule: string]> = {
  HPE_HEADER_OVERFLOW: [431, 'headers', 'must have at most 16 KiB, with the address'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'request', 'must come faster'],
};

function refusalOf(code: string): string {
  const [status, field, rule] = REFUSED[code] ?? [400, 'request', 'must be HTTP/1.1'];
  const body = JSON.stringify({ error: { field, rule, value: null } });
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Content-Type: application/json; charset=utf-8',
    'X-Content-Type-Options: nosniff',
  ];
  return [...head, `Content-Length: ${Buffer.byteLength(body)}`, 'Connection: close', '', body].join('\r\n');
}
