import type { HostDatagrams, HostEndpoint, NetHost } from './interfaces.ts';
import type { IpPath } from './ip.ts';
import { keyOf } from './link.ts';
import type { Timer, Timers } from './timers.ts';
import type { Datagram } from './udp.ts';

const MOST_FLOWS = 1024;
/** How long a socket is kept that nothing passes through (RFC 4787 section 4.3). */
const LIFETIME_MILLIS = 120_000;

interface Flow {
  readonly socket: HostDatagrams;
  readonly timer: Timer;
  /** How addresses that the guest named differ from those that the host knows: replies come from the former. */
  readonly names: Map<string, Uint8Array>;
}

/** Sends a datagram to the guest. */
export type DeliverDatagram = (path: IpPath, sourcePort: number, targetPort: number, data: Uint8Array) => void;

/** What a table of flows is made for. */
export interface DatagramOptions {
  readonly host: NetHost;
  readonly timers: Timers;
  readonly deliver: DeliverDatagram;
}

/** The UDP sockets of the host behind the guest's: one for each address and port of the guest (RFC 4787). */
export class DatagramTable {
  readonly #options: DatagramOptions;
  readonly #flows = new Map<string, Flow>();

  constructor(options: DatagramOptions) {
    this.#options = options;
  }

  /** Sends a datagram of the guest out. @param to where the host is to send it, which may not be what the guest calls it */
  send({ source, sourcePort, target, data }: Datagram, to: HostEndpoint): void {
    const key = keyOf(source) + String.fromCharCode(sourcePort);
    const flow = this.#flows.get(key) ?? this.#open(key, source.slice(), sourcePort);
    flow.timer.arm(LIFETIME_MILLIS);
    if (keyOf(to.address) !== keyOf(target)) flow.names.set(keyOf(to.address), target.slice());
    flow.socket.send(data.slice(), to);
  }

  /** Closes all sockets. */
  clear(): void {
    for (const key of [...this.#flows.keys()]) this.#close(key);
  }

  #open(key: string, guest: Uint8Array, guestPort: number): Flow {
    const [oldest] = this.#flows.keys();
    if (this.#flows.size >= MOST_FLOWS) this.#close(oldest);
    const names = new Map<string, Uint8Array>();
    const { host, timers, deliver } = this.#options;
    const socket = host.openDatagrams(guest.length !== 4, (bytes, from) => {
      const source = names.get(keyOf(from.address)) ?? from.address;
      deliver({ source, target: guest }, from.port, guestPort, bytes);
    });
    const flow = { socket, timer: timers.create(() => this.#close(key)), names };
    this.#flows.set(key, flow);
    return flow;
  }

  #close(key: string): void {
    const flow = this.#flows.get(key);
    flow?.socket.close();
    flow?.timer.cancel();
    this.#flows.delete(key);
  }
}
