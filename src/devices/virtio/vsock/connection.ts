import type { HostStream, IncomingStream, StreamListener } from '../../../net/interfaces.ts';
import { MOST_PAYLOAD_BYTES, OP, type Op, type PacketHeader, SHUTDOWN } from './packet.ts';

/** Room for bytes of the guest that the host has not taken yet; Linux gives as much. */
const BUFFER_BYTES = 1 << 18;
/** The guest is told of new room once it knows of less than this. */
const LOW_CREDIT_BYTES = BUFFER_BYTES / 2;
/** The host's stream halts while more than this waits for the guest. */
const HIGH_WATER_BYTES = 1 << 17;

/** The two ends of a connection. */
export interface Ports {
  readonly guestPort: number;
  readonly hostPort: number;
}

/** Whom a connection tells what came of the host. */
export interface ConnectionOwner {
  /** The connection may have a packet for the guest. */
  ready(connection: VsockConnection): void;
  /** A connection that the guest has closed has nothing left to do. */
  gone(connection: VsockConnection): void;
}

/** What became of a connection by a packet from the guest. `broken`: the packet makes no sense here. */
export type Verdict = 'goesOn' | 'closed' | 'broken';

/** A packet for the guest without the fields that the connection does not know. */
export type PacketContent = Pick<PacketHeader, 'op' | 'flags' | 'bufAlloc' | 'fwdCnt'> & {
  readonly payload: Uint8Array;
};

/**
 * Where a connection stands. The guest's begin with `connecting`, while the host's stream is not open, and `connected`, until the
 * guest is answered; the host's with `requesting`, until the guest is asked, and `requested`. `failed`: the host's stream is gone.
 * `lingering`: the guest has closed it, and the host has yet to take what it sent.
 */
type Phase = 'connecting' | 'connected' | 'requesting' | 'requested' | 'open' | 'failed' | 'lingering';

const NOTHING = new Uint8Array(0);

/**
 * A stream between a port of the guest and one of the host, with credit both ways (virtio 1.2 section 5.10.6.3): at most
 * {@link BUFFER_BYTES} wait for the host, and little more for the guest.
 */
export class VsockConnection implements StreamListener, Ports {
  readonly guestPort: number;
  readonly hostPort: number;
  readonly #owner: ConnectionOwner;
  readonly #stream: HostStream;
  readonly #accepted: (() => void) | undefined;
  #phase: Phase;
  /** Bytes from the guest, and how many of them the host has taken, modulo 2³²; the guest knows of `#toldForwarded`. */
  #received = 0;
  #forwarded = 0;
  #toldForwarded = 0;
  #creditWanted = false;
  /** Bytes for the guest, oldest first. */
  readonly #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #flows = true;
  /** Bytes sent to the guest modulo 2³², and what it last said of its room. */
  #sent = 0;
  #peerAllocated: number;
  #peerForwarded: number;
  #creditAsked = false;
  /** The guest will send, or receive, no more. */
  #guestEnded = false;
  #guestDeaf = false;
  /** The host will send no more, and the guest has been told. */
  #hostEnded = false;
  #shutdownSent = false;

  /**
   * @param open begins the host's stream
   * @param asked the guest's request; absent: the host asks
   * @param accepted called when the guest accepts the host's request
   */
  constructor(
    { guestPort, hostPort }: Ports,
    owner: ConnectionOwner,
    open: IncomingStream,
    asked?: PacketHeader,
    accepted?: () => void,
  ) {
    this.guestPort = guestPort;
    this.hostPort = hostPort;
    this.#owner = owner;
    this.#accepted = accepted;
    this.#phase = asked ? 'connecting' : 'requesting';
    this.#peerAllocated = asked?.bufAlloc ?? 0;
    this.#peerForwarded = asked?.fwdCnt ?? 0;
    this.#stream = open(this);
  }

  opened(): void {
    if (this.#phase === 'connecting') this.#phase = 'connected';
    this.#owner.ready(this);
  }

  data(bytes: Uint8Array): void {
    if (this.#guestDeaf || this.#phase === 'lingering' || bytes.length === 0) return;
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    this.#regulate();
    this.#owner.ready(this);
  }

  ended(): void {
    this.#hostEnded = true;
    this.#owner.ready(this);
  }

  drained(): void {
    if (this.#phase !== 'lingering') this.#owner.ready(this);
    else if (this.#stream.queuedBytes === 0) {
      this.#stream.reset();
      this.#owner.gone(this);
    }
  }

  failed(): void {
    if (this.#phase === 'lingering') this.#owner.gone(this);
    else {
      this.#phase = 'failed';
      this.#owner.ready(this);
    }
  }

  /** Breaks the host's side. */
  reset(): void {
    this.#stream.reset();
  }

  /** The guest has closed the connection: what it sent is still for the host.
   * @returns whether the host has it all; otherwise the owner is told when it has */
  linger(): boolean {
    const isDone = this.#phase === 'failed' || this.#stream.queuedBytes === 0;
    this.#phase = 'lingering';
    this.#dropWaiting();
    if (isDone) this.#stream.reset();
    else this.#stream.end();
    return isDone;
  }

  /** Takes a packet from the guest, but for {@link OP.reset}. @param payload as long as the header says */
  take(header: PacketHeader, payload: Uint8Array): Verdict {
    this.#peerAllocated = header.bufAlloc;
    this.#peerForwarded = header.fwdCnt;
    if (this.#credit > 0) this.#creditAsked = false;
    switch (header.op) {
      case OP.response:
        return this.#accept();
      case OP.data:
        return this.#takeData(payload);
      case OP.shutdown:
        return this.#shutDown(header.flags);
      case OP.creditRequest:
        this.#creditWanted = true;
        return 'goesOn';
      case OP.creditUpdate:
        return 'goesOn';
      default:
        return 'broken';
    }
  }

  /** The operation of the next packet for the guest; undefined when there is none now. */
  get nextOp(): Op | undefined {
    switch (this.#phase) {
      case 'requesting':
        return OP.request;
      case 'connected':
        return OP.response;
      case 'open':
      case 'failed':
        return this.#nextOpOfStream;
      default:
        return undefined;
    }
  }

  /** Makes the next packet. @param op as {@link nextOp} says  @param roomBytes room for data, at least 1 */
  next(op: Op, roomBytes: number): PacketContent {
    const payload = op === OP.data ? this.#takeWaiting(Math.min(roomBytes, this.#credit, MOST_PAYLOAD_BYTES)) : NOTHING;
    if (op === OP.request) this.#phase = 'requested';
    else if (op === OP.response) this.#phase = 'open';
    else if (op === OP.creditRequest) this.#creditAsked = true;
    else if (op === OP.shutdown) this.#shutdownSent = true;
    this.#creditWanted = false;
    this.#toldForwarded = this.#countForwarded();
    const flags = op === OP.shutdown ? SHUTDOWN.send | (this.#guestEnded ? SHUTDOWN.receive : 0) : 0;
    return { op, flags, bufAlloc: BUFFER_BYTES, fwdCnt: this.#toldForwarded, payload };
  }

  get #nextOpOfStream(): Op | undefined {
    if (this.#waitingBytes > 0) {
      if (this.#credit > 0) return OP.data;
      if (!this.#creditAsked) return OP.creditRequest;
    } else if (this.#phase === 'failed') return OP.reset;
    else if (this.#hostEnded && !this.#shutdownSent) return OP.shutdown;
    return this.#isCreditDue ? OP.creditUpdate : undefined;
  }

  get #isCreditDue(): boolean {
    if (this.#creditWanted) return true;
    const known = BUFFER_BYTES - ((this.#received - this.#toldForwarded) >>> 0);
    return known < LOW_CREDIT_BYTES && this.#countForwarded() !== this.#toldForwarded;
  }

  /** How many bytes the guest has room for. */
  get #credit(): number {
    return Math.max(0, this.#peerAllocated - ((this.#sent - this.#peerForwarded) >>> 0));
  }

  #countForwarded(): number {
    const queued = Math.min(this.#stream.queuedBytes, (this.#received - this.#forwarded) >>> 0);
    this.#forwarded = (this.#received - queued) >>> 0;
    return this.#forwarded;
  }

  #accept(): Verdict {
    if (this.#phase === 'failed') return 'goesOn';
    if (this.#phase !== 'requested') return 'broken';
    this.#phase = 'open';
    this.#accepted?.();
    return 'goesOn';
  }

  #takeData(payload: Uint8Array): Verdict {
    if (this.#phase === 'failed') return 'goesOn';
    const held = (this.#received - this.#toldForwarded) >>> 0;
    if (this.#phase !== 'open' || this.#guestEnded || held + payload.length > BUFFER_BYTES) return 'broken';
    this.#received = (this.#received + payload.length) >>> 0;
    if (payload.length > 0) this.#stream.write(payload);
    return 'goesOn';
  }

  #shutDown(flags: number): Verdict {
    if (this.#phase !== 'open' && this.#phase !== 'failed') return 'broken';
    if (flags & SHUTDOWN.receive) {
      this.#guestDeaf = true;
      this.#dropWaiting();
    }
    if (flags & SHUTDOWN.send && !this.#guestEnded) {
      this.#guestEnded = true;
      if (this.#phase === 'open') this.#stream.end();
    }
    return this.#guestEnded && this.#guestDeaf ? 'closed' : 'goesOn';
  }

  #takeWaiting(most: number): Uint8Array {
    const [first] = this.#waiting;
    const payload = first.subarray(0, most);
    if (payload.length < first.length) this.#waiting[0] = first.subarray(payload.length);
    else this.#waiting.shift();
    this.#waitingBytes -= payload.length;
    this.#sent = (this.#sent + payload.length) >>> 0;
    this.#regulate();
    return payload;
  }

  #dropWaiting(): void {
    this.#waiting.length = 0;
    this.#waitingBytes = 0;
    this.#regulate();
  }

  /** Has the host's stream halt while too much waits. */
  #regulate(): void {
    const flows = this.#waitingBytes <= HIGH_WATER_BYTES;
    if (flows === this.#flows) return;
    this.#flows = flows;
    this.#stream.setFlowing(flows);
  }
}
