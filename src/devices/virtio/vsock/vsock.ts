import { requireVersion } from '../../../base/state-version.ts';
import type { DeviceState } from '../../../machine/interfaces.ts';
import type { IncomingStream, VsockHost } from '../../../net/interfaces.ts';
import type { Chain } from '../chain.ts';
import { VIRTIO_TYPE, type VirtioDevice, type VirtioPort } from '../virtio-device.ts';
import { type ConnectionOwner, type PacketContent, type Ports, type Verdict, VsockConnection } from './connection.ts';
import { decodeHeader, encodeHeader, HEADER_BYTES, HOST_CID, OP, type PacketHeader, TYPE_STREAM } from './packet.ts';

/** Feature bits (virtio 1.2 section 5.10.3). */
const F = { stream: 1n << 0n } as const;
const [RECEIVE, TRANSMIT, EVENT] = [0, 1, 2];
const EVENT_TRANSPORT_RESET = 0;
/** Connections at the same time; what is asked for beyond them is refused. */
const MOST_CONNECTIONS = 1024;
/** Refusals that wait for the driver's buffers; while there are more it is not listened to (section 5.10.6.2). */
const MOST_REPLIES = 256;
/** The first port that connections from the host have there: as Firecracker's. */
const FIRST_HOST_PORT = 1 << 30;
const PORT_MASK = 0x7fffffff;
const STATE_VERSION = 1;

/** What a socket device is made of. */
export interface VsockOptions {
  /** The guest's address, 3 to 0xFFFFFFFE. */
  readonly cid: number;
  /** Where the guest's connections go, and the host's come from. */
  readonly host: VsockHost;
}

/**
 * The socket device (virtio 1.2 section 5.10), for stream sockets: programs of the guest and of the host connect to each
 * other by ports. The driver is told by an event when a machine was restored: all connections are gone then.
 */
export class VirtioVsock implements VirtioDevice, ConnectionOwner {
  readonly type = VIRTIO_TYPE.vsock;
  readonly features = F.stream;
  readonly queueSizes = [128, 128, 16];
  readonly config: Uint8Array;
  readonly #guestCid: bigint;
  readonly #host: VsockHost;
  #port: VirtioPort | undefined;
  readonly #connections = new Map<string, VsockConnection>();
  /** Connections that the guest has closed, of which the host has yet to take something. */
  readonly #lingering = new Set<VsockConnection>();
  /** Connections that may have a packet for the guest, the one whose turn it is first. */
  readonly #ready = new Set<VsockConnection>();
  /** Refusals for the guest, oldest first. */
  #replies: PacketHeader[] = [];
  #nextHostPort = FIRST_HOST_PORT;
  /** Whether the driver is to be told that all connections are gone. */
  #resetUntold = false;

  constructor({ cid, host }: VsockOptions) {
    this.#guestCid = BigInt(cid);
    this.config = new Uint8Array(BigUint64Array.of(this.#guestCid).buffer);
    this.#host = host;
    host.onConnection((port, open, accepted) => this.#connectToGuest(port, open, accepted));
  }

  connect(port: VirtioPort): void {
    this.#port = port;
  }

  notify(queue: number): void {
    if (queue === RECEIVE) this.#sendPackets();
    else if (queue === TRANSMIT) this.#takePackets();
    else this.#sendEvent();
  }

  /** The connections are the host's; a machine that goes on from the record has none of them. */
  save(): DeviceState {
    return { version: STATE_VERSION, tellsReset: this.#resetUntold || (this.#port?.driverOk ?? false) };
  }

  restore(state: DeviceState): void {
    requireVersion('VirtioVsock', state.version, STATE_VERSION);
    for (const connection of [...this.#connections.values(), ...this.#lingering]) connection.reset();
    this.#connections.clear();
    this.#lingering.clear();
    this.#ready.clear();
    this.#replies = [];
    this.#resetUntold = Boolean(state.tellsReset);
  }

  ready(connection: VsockConnection): void {
    this.#ready.add(connection);
    this.#port?.notify(RECEIVE);
  }

  gone(connection: VsockConnection): void {
    this.#lingering.delete(connection);
  }

  /** A program of the host connects to a port of the guest. @returns false when that cannot be */
  #connectToGuest(guestPort: number, open: IncomingStream, accepted: (hostPort: number) => void): boolean {
    if (!this.#port?.driverOk || this.#isFull) return false;
    const ports = { guestPort, hostPort: this.#freeHostPort(guestPort) };
    const connection = new VsockConnection(ports, this, open, undefined, () => accepted(ports.hostPort));
    this.#connections.set(keyOf(ports), connection);
    this.ready(connection);
    return true;
  }

  get #isFull(): boolean {
    return this.#connections.size + this.#lingering.size >= MOST_CONNECTIONS;
  }

  #freeHostPort(guestPort: number): number {
    for (;;) {
      const hostPort = this.#nextHostPort;
      this.#nextHostPort = ((hostPort + 1) & PORT_MASK) | FIRST_HOST_PORT;
      if (!this.#connections.has(keyOf({ guestPort, hostPort }))) return hostPort;
    }
  }

  #takePackets(): void {
    const queue = this.#port?.queues[TRANSMIT];
    while (this.#replies.length < MOST_REPLIES) {
      const chain = queue?.pop();
      if (!chain) break;
      this.#take(chain);
      queue?.complete(chain, 0);
    }
    this.#port?.notify(RECEIVE);
  }

  /** Takes a packet from the guest. One that is cut off or not from its address is dropped. */
  #take(chain: Chain): void {
    const bytes = chain.readBytes(0, HEADER_BYTES);
    if (bytes.length < HEADER_BYTES) return;
    const header = decodeHeader(bytes);
    if (header.sourceCid !== this.#guestCid) return;
    const ports = { guestPort: header.sourcePort, hostPort: header.destinationPort };
    const connection = header.destinationCid === HOST_CID ? this.#connections.get(keyOf(ports)) : undefined;
    if (header.op === OP.reset) this.#forget(connection)?.reset();
    else if (connection) this.#advance(connection, header, chain);
    else if (header.op === OP.request && this.#mayConnect(header)) this.#connectToHost(ports, header);
    else this.#refuse(header);
  }

  #mayConnect({ destinationCid, type }: PacketHeader): boolean {
    return destinationCid === HOST_CID && type === TYPE_STREAM && !this.#isFull;
  }

  #connectToHost(ports: Ports, header: PacketHeader): void {
    const open: IncomingStream = (listener) => this.#host.connect(ports.hostPort, listener);
    this.#connections.set(keyOf(ports), new VsockConnection(ports, this, open, header));
  }

  #advance(connection: VsockConnection, header: PacketHeader, chain: Chain): void {
    const verdict = this.#offer(connection, header, chain);
    if (verdict === 'goesOn') {
      this.#ready.add(connection);
      return;
    }
    this.#forget(connection);
    this.#refuse(header);
    if (verdict === 'broken') connection.reset();
    else if (!connection.linger()) this.#lingering.add(connection);
  }

  /** Only data has bytes behind the header. */
  #offer(connection: VsockConnection, header: PacketHeader, chain: Chain): Verdict {
    const length = header.op === OP.data ? header.length : 0;
    if (header.type !== TYPE_STREAM || length > chain.readableBytes - HEADER_BYTES) return 'broken';
    return connection.take(header, chain.readBytes(HEADER_BYTES, length));
  }

  #forget(connection: VsockConnection | undefined): VsockConnection | undefined {
    if (!connection) return undefined;
    this.#connections.delete(keyOf(connection));
    this.#ready.delete(connection);
    return connection;
  }

  /** Answers a packet by a reset, as from whomever it was sent to. */
  #refuse({ sourceCid, destinationCid, sourcePort, destinationPort, type }: PacketHeader): void {
    this.#replies.push({
      ...{ sourceCid: destinationCid, destinationCid: sourceCid, sourcePort: destinationPort },
      ...{ destinationPort: sourcePort, type, op: OP.reset, length: 0, flags: 0, bufAlloc: 0, fwdCnt: 0 },
    });
  }

  #sendPackets(): void {
    const queue = this.#port?.queues[RECEIVE];
    const wasFull = this.#replies.length >= MOST_REPLIES;
    while (this.#replies.length > 0 || this.#nextConnection()) {
      const chain = queue?.pop();
      if (!chain) break;
      queue?.complete(chain, this.#fill(chain));
    }
    if (wasFull && this.#replies.length < MOST_REPLIES) this.#port?.notify(TRANSMIT);
  }

  /** The connection that has a packet and whose turn it is. */
  #nextConnection(): VsockConnection | undefined {
    for (const connection of this.#ready) {
      if (connection.nextOp !== undefined) return connection;
      this.#ready.delete(connection);
    }
    return undefined;
  }

  /** Puts the next packet into a buffer; one without room for it comes back empty. @returns bytes written */
  #fill(chain: Chain): number {
    const roomBytes = chain.writableBytes - HEADER_BYTES;
    if (roomBytes <= 0) return 0;
    const reply = this.#replies.shift();
    if (reply) return chain.write(0, encodeHeader(reply));
    const connection = this.#nextConnection();
    const op = connection?.nextOp;
    if (!connection || op === undefined) return 0;
    const content = connection.next(op, roomBytes);
    this.#ready.delete(connection);
    if (op === OP.reset) this.#forget(connection);
    else this.#ready.add(connection);
    return (
      chain.write(0, encodeHeader(this.#headerOf(connection, content))) + chain.write(HEADER_BYTES, content.payload)
    );
  }

  #headerOf({ guestPort, hostPort }: Ports, { payload, ...content }: PacketContent): PacketHeader {
    return {
      ...{ sourceCid: HOST_CID, destinationCid: this.#guestCid, sourcePort: hostPort, destinationPort: guestPort },
      ...{ length: payload.length, type: TYPE_STREAM, ...content },
    };
  }

  #sendEvent(): void {
    if (!this.#resetUntold) return;
    const queue = this.#port?.queues[EVENT];
    const chain = queue?.pop();
    if (!chain) return;
    this.#resetUntold = false;
    queue?.complete(chain, chain.write(0, new Uint8Array(Uint32Array.of(EVENT_TRANSPORT_RESET).buffer)));
  }
}

function keyOf({ guestPort, hostPort }: Ports): string {
  return `${guestPort} ${hostPort}`;
}
