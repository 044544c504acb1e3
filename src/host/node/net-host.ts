import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { getServers } from 'node:dns';
import { lookup } from 'node:dns/promises';
import { createConnection, type Socket } from 'node:net';
import { formatAddress, parseAddress } from '../../base/ip-address.ts';
import type {
  DatagramReceiver,
  HostDatagrams,
  HostEndpoint,
  HostFailure,
  HostStream,
  NetHost,
  StreamListener,
} from '../../net/interfaces.ts';

const FAILURES: Readonly<Record<string, HostFailure>> = {
  ECONNREFUSED: 'refused',
  ENETUNREACH: 'unreachable',
  EHOSTUNREACH: 'unreachable',
  EADDRNOTAVAIL: 'unreachable',
  ETIMEDOUT: 'timeout',
};
/** Where all sockets that the guest opens read to: twice the data of the largest segment that a card cuts for its
 * driver, so that a long stream reaches the guest in such segments alone. */
const readBuffer = new Uint8Array(2 * 44 * 1460);
const DNS_TIMEOUT_MILLIS = 5_000;
const DNS_PORT = 53;
/** What the resolver says of names without addresses of the kind. */
const NO_ADDRESS = ['ENOTFOUND', 'ENODATA'];

/** This host's network, through Node's sockets and the system's resolver. */
export const nodeNetHost: NetHost = {
  connect(to: HostEndpoint, listener: StreamListener): HostStream {
    const socket = createConnection({
      host: formatAddress(to.address),
      port: to.port,
      allowHalfOpen: true,
      noDelay: true,
      onread: {
        buffer: readBuffer,
        callback: (length) => {
          stream.received(readBuffer.slice(0, length));
          return true;
        },
      },
    });
    socket.once('connect', () => listener.opened());
    const stream = new NodeStream(socket, listener);
    return stream;
  },

  openDatagrams: (isIpv6: boolean, receive: DatagramReceiver): HostDatagrams => new NodeDatagrams(isIpv6, receive),

  async lookUp(name: string, isIpv6: boolean): Promise<readonly Uint8Array[]> {
    try {
      const found = await lookup(name, { all: true, family: isIpv6 ? 6 : 4 });
      return found.flatMap(({ address }) => parseAddress(address) ?? []);
    } catch (error) {
      if (NO_ADDRESS.includes((error as NodeJS.ErrnoException).code ?? '')) return [];
      throw error;
    }
  },

  queryDns(message: Uint8Array): Promise<Uint8Array> {
    const [server = ''] = getServers();
    const [, host = server, port = String(DNS_PORT)] = /^\[?([^\]]*?)\]?(?::(\d+))?$/.exec(server) ?? [];
    return askServer(message, host.includes(':') ? host : host.split(':')[0], Number(port));
  },
};

/** Asks a name server over UDP. @throws {Error} it does not answer in time */
function askServer(message: Uint8Array, host: string, port: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    const end = (settle: () => void) => {
      clearTimeout(timer);
      socket.close();
      settle();
    };
    const timer = setTimeout(() => end(() => reject(new Error(`${host} does not answer`))), DNS_TIMEOUT_MILLIS);
    socket.once('error', (error) => end(() => reject(error)));
    socket.once('message', (answer) => end(() => resolve(answer)));
    socket.send(message, port, host);
  });
}

/** A socket, of TCP or Unix, as a stream of the network. */
export class NodeStream implements HostStream {
  readonly #socket: Socket;
  #listener: StreamListener | undefined;

  /** @param socket made with `allowHalfOpen` */
  constructor(socket: Socket, listener: StreamListener) {
    this.#socket = socket;
    this.#listener = listener;
    socket.on('end', () => this.#listener?.ended());
    socket.on('error', (error: NodeJS.ErrnoException) => this.#fail(FAILURES[error.code ?? ''] ?? 'reset'));
  }

  /** The stream of a socket that hands out what it reads as events. One that does so by other means must not be listened
   * to, which would have it begin to read whether it is to flow or not: it calls {@link received}. */
  static of(socket: Socket, listener: StreamListener): NodeStream {
    const stream = new NodeStream(socket, listener);
    socket.on('data', (bytes: Uint8Array) => stream.received(bytes));
    return stream;
  }

  /** Takes what the socket has read. */
  received(bytes: Uint8Array): void {
    this.#listener?.data(bytes);
  }

  get queuedBytes(): number {
    return this.#socket.writableLength;
  }

  write(bytes: Uint8Array): void {
    if (this.#socket.writable) this.#socket.write(bytes, () => this.#listener?.drained());
  }

  end(): void {
    this.#socket.end();
  }

  reset(): void {
    this.#listener = undefined;
    if (this.#socket.remoteAddress === undefined && !this.#socket.connecting) this.#socket.destroy();
    else this.#socket.resetAndDestroy();
  }

  setFlowing(flows: boolean): void {
    if (flows) this.#socket.resume();
    else this.#socket.pause();
  }

  #fail(why: HostFailure): void {
    const listener = this.#listener;
    this.#listener = undefined;
    listener?.failed(why);
  }
}

/** A UDP socket. What is sent before it is open waits. */
class NodeDatagrams implements HostDatagrams {
  readonly #socket: UdpSocket;

  constructor(isIpv6: boolean, receive: DatagramReceiver) {
    this.#socket = createSocket(isIpv6 ? 'udp6' : 'udp4');
    this.#socket.on('error', () => {});
    this.#socket.on('message', (bytes, { address, port }) => {
      const from = parseAddress(address);
      if (from) receive(bytes, { address: from, port });
    });
    this.#socket.bind(0);
    this.#socket.unref();
  }

  send(bytes: Uint8Array, { address, port }: HostEndpoint): void {
    this.#socket.send(bytes, port, formatAddress(address), () => {});
  }

  close(): void {
    this.#socket.close();
  }
}
