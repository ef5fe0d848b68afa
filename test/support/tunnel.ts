/** A TCP tunnel to a port of this machine, as `ssh -L` makes one: it can be cut and mended. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export type Tunnel = Awaited<ReturnType<typeof openTunnel>>;

export async function openTunnel(to: number) {
  const sockets = new Set<Socket>();
  const dropAll = () => {
    for (const socket of sockets) socket.destroy();
  };
  let hanging = false;
  const server = createServer((near) => {
    const pair = hanging ? [near] : [near, connect(to, '127.0.0.1')];
    for (const socket of pair) {
      sockets.add(socket);
      socket.on('error', () => {}); // which closes it
      socket.on('close', () => {
        sockets.delete(socket);
        for (const one of pair) one.destroy();
      });
    }
    if (!hanging) near.pipe(pair[1]).pipe(near);
  });
  const listen = (port: number) => once(server.listen(port, '127.0.0.1'), 'listening');
  await listen(0);
  const { port } = server.address() as AddressInfo;
  return {
    port,
    /** Ends what goes through it, and refuses what comes. */
    cut: async (): Promise<void> => {
      const closed = once(server.close(), 'close');
      dropAll();
      await closed;
    },
    /** Lets nothing through any more, and tells nobody: as when a machine sleeps, or a router forgets. */
    hang: (): void => {
      hanging = true;
      for (const socket of sockets) socket.pause();
    },
    mend: async (): Promise<void> => {
      hanging = false;
      dropAll();
      if (!server.listening) await listen(port);
    },
  };
}
