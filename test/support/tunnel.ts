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
    sockets.add(near);
    near.on('error', () => near.destroy());
    if (hanging) return;
    const far = connect(to, '127.0.0.1');
    near.pipe(far).pipe(near);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ]) {
      sockets.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        sockets.delete(one);
        other.destroy();
      });
    }
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
