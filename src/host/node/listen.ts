import { lstatSync, rmSync } from 'node:fs';
import { createConnection, createServer, type Server, type ServerOpts, type Socket } from 'node:net';

/** Where to listen: a path in the file system, or a host and port. */
export type SocketAddress = { readonly path: string } | { readonly host: string; readonly port: number };

/** Accepts connections until the returned function is called. A socket file nobody listens on any more is replaced.
 * @param accept told every new connection; a failing connection closes and reports nothing
 * @param options of the sockets
 * @throws {Error} the address is in use or may not be used */
export async function listen(
  address: SocketAddress,
  accept: (peer: Socket) => void,
  options: ServerOpts = {},
): Promise<() => void> {
  if ('path' in address && (await isStaleSocket(address.path))) rmSync(address.path, { force: true });
  const server = createServer(options, (peer) => {
    peer.on('error', () => {});
    accept(peer);
  });
  await start(server, address);
  return () => {
    server.close();
    if ('path' in address) rmSync(address.path, { force: true });
  };
}

function start(server: Server, address: SocketAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(address, () => resolve());
  });
}

/** Whether a path is a socket that nobody listens on. Connections to what is no socket are refused as well. */
function isStaleSocket(path: string): Promise<boolean> | boolean {
  if (!lstatSync(path, { throwIfNoEntry: false })?.isSocket()) return false;
  return new Promise((resolve) => {
    const attempt = createConnection(path);
    attempt.on('connect', () => {
      attempt.destroy();
      resolve(false);
    });
    attempt.on('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'));
  });
}
