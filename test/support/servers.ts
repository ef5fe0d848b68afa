/** Servers that answer as a test wants, on free ports of this machine. */
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

async function listen(answer?: RequestListener) {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: (server.address() as AddressInfo).port };
}

/** Closed at the end of the test, with all that is connected. @returns its port */
export async function listenLocally(answer?: RequestListener): Promise<number> {
  const { server, port } = await listen(answer);
  onTestFinished(() => server.close().closeAllConnections());
  return port;
}

/** A port on which nobody listens. */
export async function freePort(): Promise<number> {
  const { server, port } = await listen();
  await once(server.close(), 'close');
  return port;
}
