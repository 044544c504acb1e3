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
/** How long a full queue of connections is tried, as long as Linux' own connect waits, and how often. */
const FULL_MILLIS = 2000;
const RETRY_MILLIS = 10;

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
    return new DialedStream(`${this.#path}_${port}`, listener, (socket) => this.#keep(socket));
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

/** A stream to a Unix socket. Unlike TCP's, such a socket refuses at once who comes while its queue is full: it is tried again. */
class DialedStream implements HostStream {
  readonly #path: string;
  readonly #listener: StreamListener;
  readonly #made: (socket: Socket) => void;
  readonly #end = performance.now() + FULL_MILLIS;
  #socket: Socket | undefined;
  #retry: NodeJS.Timeout | undefined;
  /** There once the socket is open. */
  #stream: NodeStream | undefined;

  /** @param made told of every socket */
  constructor(path: string, listener: StreamListener, made: (socket: Socket) => void) {
    this.#path = path;
    this.#listener = listener;
    this.#made = made;
    this.#dial();
  }

  get queuedBytes(): number {
    return this.#stream?.queuedBytes ?? 0;
  }

  write(bytes: Uint8Array): void {
    this.#stream?.write(bytes);
  }

  end(): void {
    this.#stream?.end();
  }

  reset(): void {
    clearTimeout(this.#retry);
    if (this.#stream) this.#stream.reset();
    else this.#socket?.removeAllListeners('connect').destroy();
  }

  setFlowing(flows: boolean): void {
    this.#stream?.setFlowing(flows);
  }

  #dial(): void {
    const socket = createConnection({ path: this.#path, allowHalfOpen: true });
    this.#socket = socket;
    this.#made(socket);
    socket.once('connect', () => this.#open(socket));
    socket.on('error', ({ code }: NodeJS.ErrnoException) => {
      if (this.#stream) return;
      if (code === 'EAGAIN' && performance.now() < this.#end) {
        this.#retry = setTimeout(() => this.#dial(), RETRY_MILLIS).unref();
      } else this.#listener.failed('refused');
    });
  }

  #open(socket: Socket): void {
    this.#stream = NodeStream.of(socket, this.#listener);
    this.#listener.opened();
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
