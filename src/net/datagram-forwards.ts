import type { DeliverDatagram } from './datagrams.ts';
import type { ForwardedDatagram, HostEndpoint } from './interfaces.ts';
import { keyOf } from './link.ts';
import type { Timer, Timers } from './timers.ts';
import type { Datagram } from './udp.ts';

const MOST_FLOWS = 1024;
const LIFETIME_MILLIS = 120_000;
/** Ports that stand for outside peers (RFC 6335). */
const FIRST_PORT = 49152;

interface Flow {
  readonly key: string;
  readonly timer: Timer;
  readonly reply: (data: Uint8Array) => void;
}

/** Peers outside that talk to the guest by forwarded UDP ports: each gets a port of the host as the guest sees it. */
export class DatagramForwards {
  readonly #timers: Timers;
  readonly #deliver: DeliverDatagram;
  readonly #ports = new Map<string, number>();
  readonly #flows = new Map<number, Flow>();
  #nextPort = FIRST_PORT;

  constructor(timers: Timers, deliver: DeliverDatagram) {
    this.#timers = timers;
    this.#deliver = deliver;
  }

  /** Hands the guest a datagram. @param host the address it comes from, as the guest sees it */
  receive({ data, peer, reply }: ForwardedDatagram, host: Uint8Array, guest: HostEndpoint): void {
    const key = `${keyOf(guest.address)} ${guest.port} ${peer}`;
    const port = this.#ports.get(key) ?? this.#open(key, reply);
    this.#flows.get(port)?.timer.arm(LIFETIME_MILLIS);
    this.#deliver({ source: host, target: guest.address }, port, guest.port, data);
  }

  /** Takes what the guest sends to the host. @returns whether it is an answer for a peer */
  answer({ source, sourcePort, targetPort, data }: Datagram): boolean {
    const flow = this.#flows.get(targetPort);
    if (!flow?.key.startsWith(`${keyOf(source)} ${sourcePort} `)) return false;
    flow.timer.arm(LIFETIME_MILLIS);
    flow.reply(data.slice());
    return true;
  }

  #open(key: string, reply: Flow['reply']): number {
    const [oldest] = this.#flows.keys();
    if (this.#flows.size >= MOST_FLOWS) this.#close(oldest);
    while (this.#flows.has(this.#nextPort)) this.#advance();
    const port = this.#nextPort;
    this.#advance();
    this.#ports.set(key, port);
    this.#flows.set(port, { key, reply, timer: this.#timers.create(() => this.#close(port)) });
    return port;
  }

  #advance(): void {
    this.#nextPort = this.#nextPort === 0xffff ? FIRST_PORT : this.#nextPort + 1;
  }

  #close(port: number): void {
    const flow = this.#flows.get(port);
    if (!flow) return;
    flow.timer.cancel();
    this.#ports.delete(flow.key);
    this.#flows.delete(port);
  }
}
