import { chmodSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import type { HostStream, StreamListener, VsockHost } from '../../net/interfaces.ts';
import { listen } from './listen.ts';
import { NodeStream } from './net-host.ts';

/** What a program of the host says first: the guest's port that it wants. */
const COMMAND = /^CONNECT (\d{1,10})\r?$/i;
const MOST_COMMAND_BYTES = 32;
const NEWLINE = 0x0a;
const MOST_PORT = 0xffffffff;
/** Whom the socket is for: its owner. */
const OWNER_ONLY = 0o600;

type Accept = Parameters<VsockHost['onConnection']>[0];

/**
 * The host's end of a guest's sockets as Unix sockets, with the names and words of Firecracker (its docs/vsock.md): a
 * program of the guest that connects to port P of the host gets to the socket `PATH_P`, where somebody has to listen; a
 * program of the host connects to `PATH` and writes `CONNECT P`, a line, and is answered `OK N`, N being its own port, or hung up on.
 */
export class VsockSockets implements VsockHost {
  readonly #path: string;
  readonly #sockets = new Set<Socket>();
  #stop = (): void => {};
  #accept: Accept | undefined;

  private constructor(path: string) {
    this.#path = path;
  }

  /** Listens at a path, whose socket file is for its owner alone. @throws {Error} the path is in use or may not be used */
  static async listen(path: string): Promise<VsockSockets> {
    const sockets = new VsockSockets(path);
    sockets.#stop = await listen({ path }, (socket) => sockets.#take(socket), { allowHalfOpen: true });
    chmodSync(path, OWNER_ONLY);
    return sockets;
  }

  connect(port: number, listener: StreamListener): HostStream {
    const socket = createConnection({ path: `${this.#path}_${port}`, allowHalfOpen: true });
    socket.once('connect', () => listener.opened());
    this.#keep(socket);
    return NodeStream.of(socket, listener);
  }

  onConnection(accept: Accept): void {
    this.#accept = accept;
  }

  /** Ends all connections; the socket file goes. */
  close(): void {
    this.#stop();
    for (const socket of this.#sockets) socket.destroy();
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
  }

  /** Waits for the line that says where a program wants to go. */
  #take(socket: Socket): void {
    this.#keep(socket);
    let said = Buffer.alloc(0);
    const hangUp = () => void socket.destroy();
    const read = (bytes: Buffer) => {
      said = Buffer.concat([said, bytes]);
      const end = said.indexOf(NEWLINE);
      if (end < 0 && said.length <= MOST_COMMAND_BYTES) return;
      socket.off('data', read).off('end', hangUp).pause();
      socket.unshift(said.subarray(end + 1));
      this.#lead(socket, COMMAND.exec(said.toString('latin1', 0, end))?.[1]);
    };
    socket.on('data', read).on('end', hangUp);
  }

  #lead(socket: Socket, digits: string | undefined): void {
    const port = Number(digits ?? Number.NaN);
    const open = (listener: StreamListener) => NodeStream.of(socket, listener);
    const accepted = (hostPort: number) => void socket.write(`OK ${hostPort}\n`);
    if (port <= MOST_PORT && this.#accept?.(port, open, accepted)) socket.resume();
    else socket.destroy();
  }
}

/** The host's end of a guest's sockets where the host has none: whoever connects is refused. */
export const NO_VSOCK_SOCKETS: VsockHost = {
  connect(_port, listener) {
    let isWanted = true;
    queueMicrotask(() => isWanted && listener.failed('refused'));
    const reset = () => {
      isWanted = false;
    };
    return { queuedBytes: 0, write() {}, end() {}, reset, setFlowing() {} };
  },
  onConnection() {},
};
