/** A TCP tunnel to a port of this machine, as `ssh -L` makes one: it can be cut and mended. */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

export interface Tunnel {
  port: number;
  /** Ends what goes through it, and refuses what comes. */
  cut: () => Promise<void>;
  /** Lets nothing through any more, and tells nobody: as when a machine sleeps, or a router forgets. */
  hang: () => void;
  mend: () => Promise<void>;
}

export async function openTunnel(to: number): Promise<Tunnel> {
  const sockets = new Set<Socket>();
  let server: Server;
  let hanging = false;
  const listen = async (port: number) => {
    server = createServer((near) => {
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
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
    return (server.address() as AddressInfo).port;
  };
  const port = await listen(0);
  return {
    port,
    cut: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
    hang: () => {
      hanging = true;
      for (const socket of sockets) socket.pause();
    },
    mend: async () => {
      hanging = false;
      for (const socket of sockets) socket.destroy();
      if (!server.listening) await listen(port);
    },
  };
}
