/** Opens the port: the one that was asked for, or else the next free one. */
import { once } from 'node:events';
import type { Server } from 'node:http';

/** Of dashboard and /metrics, where the user names none. */
export const DEFAULT_PORT = 9464;
/** How many ports above the default are tried. Our choice. */
const MAX_PORTS = 50;

/**
 * Listens.
 * @param given the user named this port: no other is taken
 * @returns the port, which differs from the asked one where that was taken (or 0)
 * @throws Error naming the port and the option
 */
export async function listen(server: Server, host: string, port: number, given: boolean): Promise<number> {
  for (let candidate = port; ; candidate++) {
    try {
      return await attempt(server, host, candidate);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === 'EADDRINUSE' && !given && candidate < port + MAX_PORTS) continue;
      const where = `port ${candidate} on ${host}`;
      if (code === 'EADDRINUSE')
        throw new Error(`${where} is taken by another program: choose another (--port, port in watch(), GAINWATCH_PORT)`);
      if (code === 'EACCES') throw new Error(`${where} may not be opened: choose one above 1023 (--port, port in watch(), GAINWATCH_PORT)`);
      throw new Error(`${where} cannot be opened (--host, --port): ${message}`);
    }
  }
}

async function attempt(server: Server, host: string, port: number): Promise<number> {
  server.listen(port, host);
  await once(server, 'listening');
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : port;
}
