import { IPV4_BYTES } from '../../base/ip-address.ts';
import { ETHERNET_HEADER_BYTES, MTU_BYTES } from '../ethernet.ts';
import type { HostStream, IncomingStream, StreamListener } from '../interfaces.ts';
import { headerBytesOf, type IpPacket, type IpWriter, PROTOCOL } from '../ip.ts';
import { type GuestLink, keyOf } from '../link.ts';
import type { Timer, Timers } from '../timers.ts';
import { Connection, type TcpPath, type TcpWire } from './connection.ts';
import {
  CHECKSUM_AT,
  FLAG,
  parseTcp,
  putTcpChecksum,
  putTcpHeader,
  TCP_HEADER_BYTES,
  type TcpHeader,
  type TcpSegment,
  tcpHeaderBytes,
} from './segment.ts';
import { advance } from './sequence.ts';

const MOST_CONNECTIONS = 4096;
/** What all connections may keep together in each direction, and each of them at least and at most. */
const TOTAL_BUFFER_BYTES = 64 << 20;
const LEAST_BUFFER_BYTES = 64 << 10;
const MOST_BUFFER_BYTES = 2 << 20;
/** The most data in a segment that a card cuts: the packet's length is of 16 bits. */
const LARGEST_SEGMENT_BYTES = 0xffff - 60 - TCP_HEADER_BYTES;
/** Ports of the network's side of connections to the guest (RFC 6335). */
const FIRST_PORT = 49152;
const PORTS = 65536 - FIRST_PORT;

/** When a guest is asked again about a connection that it had when it was saved, at first; and how often it is asked. */
const ASK_AGAIN_MILLIS = 500;
const MOST_TIMES_ASKED = 8;

/** What a table of connections is made for. */
export interface TcpOptions {
  readonly link: GuestLink;
  readonly writer: IpWriter;
  readonly timers: Timers;
  /** 32 random bits. */
  readonly random: () => number;
  /** Says what to do with a connection that the guest opens: how to open its stream, or undefined to refuse it. */
  readonly route: (path: TcpPath) => ((listener: StreamListener) => HostStream) | undefined;
  /** The guest is to be told that there is no way. */
  readonly noWay: (path: TcpPath) => void;
}

/** A connection of a saved machine: what is needed to break it. */
export interface SavedConnection extends TcpPath {
  /** See {@link Connection.probe}. */
  readonly sequence: number;
  readonly acknowledgment: number;
}

/** All TCP connections of a network. */
export class TcpTable implements TcpWire {
  readonly timers: Timers;
  readonly #options: TcpOptions;
  readonly #connections = new Map<string, Connection>();
  /** Those that have an acknowledgment to send, and those that have data but no room. */
  readonly #acknowledging = new Set<Connection>();
  readonly #waiting = new Set<Connection>();
  /** Connections of a saved machine that the guest may still believe in, how often it was asked, and when it is asked again. */
  readonly #broken = new Map<string, SavedConnection>();
  readonly #askAgain: Timer;
  #timesAsked = 0;
  #nextPort = 0;

  constructor(options: TcpOptions) {
    this.#options = options;
    this.timers = options.timers;
    this.#askAgain = this.timers.create(() => this.#askAboutBroken());
  }

  /** How many connections there are. */
  get size(): number {
    return this.#connections.size;
  }

  /** Takes a packet from the guest. @param trusted its checksum is still to be made */
  receive(packet: IpPacket, trusted: boolean): void {
    const segment = parseTcp(packet, trusted);
    if (!segment) return;
    const path = {
      source: packet.target,
      target: packet.source,
      sourcePort: segment.targetPort,
      targetPort: segment.sourcePort,
    };
    const key = keyOfPath(path);
    if (segment.flags & (FLAG.syn | FLAG.rst)) this.#broken.delete(key);
    let connection = this.#connections.get(key);
    const isSyn = (segment.flags & (FLAG.syn | FLAG.ack | FLAG.rst)) === FLAG.syn;
    if (connection && isSyn && connection.startsAnew(segment)) {
      connection.abort();
      connection = undefined;
    }
    if (connection) connection.receive(segment);
    else if (isSyn) this.#accept(key, path, segment);
    else if (!(segment.flags & FLAG.rst)) this.#refuse(path, segment);
  }

  /** Connects a stream that came from outside to a port of the guest.
   * @param source the address that it seems to come from  @returns false when there are too many */
  connect(source: Uint8Array, target: Uint8Array, targetPort: number, stream: IncomingStream): boolean {
    for (let tries = 0; tries < PORTS && this.#makeRoom(); tries++) {
      const path = { source, target, sourcePort: FIRST_PORT + this.#nextPort, targetPort };
      this.#nextPort = (this.#nextPort + 1) % PORTS;
      const key = keyOfPath(path);
      if (this.#connections.has(key)) continue;
      this.#connections.set(key, Connection.connect(this, path, stream));
      this.outsideDone();
      return true;
    }
    return false;
  }

  /** Sends the acknowledgments that have been put off. */
  acknowledgeAll(): void {
    const connections = [...this.#acknowledging];
    this.#acknowledging.clear();
    for (const connection of connections) connection.acknowledge();
  }

  /** Has those go on that waited for room on the link. */
  roomAgain(): void {
    const connections = [...this.#waiting];
    this.#waiting.clear();
    for (const connection of connections) connection.pump();
  }

  /** The connections that the guest believes in. */
  save(): SavedConnection[] {
    return [...this.#connections.values()].flatMap(({ path, probe }) => (probe ? [{ ...path, ...probe }] : []));
  }

  /** Breaks connections that were saved. A guest that only waits for data would never notice that nobody is there: it is
   * asked where it is, and its answer, which belongs to no connection, is refused by a reset that it believes. It is asked
   * again until it says that it has no such connection: frames get lost, and a copied machine may be about to change its address. */
  break(saved: readonly SavedConnection[]): void {
    for (const connection of saved) this.#broken.set(keyOfPath(connection), connection);
    this.#timesAsked = 0;
    this.#askAboutBroken();
  }

  /** Breaks all connections. */
  clear(): void {
    for (const connection of [...this.#connections.values()]) connection.abort();
    this.#broken.clear();
  }

  hasRoom(connection: Connection): boolean {
    const { hasRoom } = this.#options.link;
    if (!hasRoom) this.#waiting.add(connection);
    return hasRoom;
  }

  largest(mss: number): number {
    if (!this.#options.link.guestTakesOffload) return mss;
    return Math.floor(LARGEST_SEGMENT_BYTES / mss) * mss;
  }

  mssOf(path: TcpPath): number {
    return MTU_BYTES + ETHERNET_HEADER_BYTES - headerBytesOf(path) - TCP_HEADER_BYTES;
  }

  bufferBytes(): number {
    const share = TOTAL_BUFFER_BYTES / Math.max(1, this.#connections.size);
    return Math.max(LEAST_BUFFER_BYTES, Math.min(MOST_BUFFER_BYTES, share));
  }

  initialSequence(): number {
    return this.#options.random() >>> 0;
  }

  transmit(path: TcpPath, header: TcpHeader, mss: number, length: number, fill?: (target: Uint8Array) => void): void {
    const { link, writer } = this.#options;
    const headerBytes = tcpHeaderBytes(header);
    const frame = writer.frame(path, PROTOCOL.tcp, headerBytes + length);
    const at = headerBytesOf(path);
    putTcpHeader(frame, at, header);
    if (length > 0) fill?.(frame.subarray(at + headerBytes));
    const isPartial = link.guestTakesOffload;
    putTcpChecksum(frame, at, path, isPartial);
    const segmentBytes = length > mss ? mss : 0;
    const offload = isPartial ? { checksumStart: at, checksumAt: at + CHECKSUM_AT, segmentBytes } : undefined;
    link.sendIp(frame, path.target, offload);
  }

  acknowledgeSoon(connection: Connection): void {
    this.#acknowledging.add(connection);
    this.#options.link.requestFlush();
  }

  acknowledged(connection: Connection): void {
    this.#acknowledging.delete(connection);
  }

  outsideDone(): void {
    this.#options.link.flush();
  }

  noWay(path: TcpPath): void {
    this.#options.noWay(path);
  }

  closed(connection: Connection): void {
    this.#connections.delete(keyOfPath(connection.path));
    this.#acknowledging.delete(connection);
    this.#waiting.delete(connection);
  }

  #accept(key: string, transient: TcpPath, segment: TcpSegment): void {
    const path = { ...transient, source: transient.source.slice(), target: transient.target.slice() };
    const open = this.#makeRoom() ? this.#options.route(path) : undefined;
    if (open) this.#connections.set(key, Connection.accept(this, path, { ...segment, data: new Uint8Array(0) }, open));
    else this.#refuse(path, segment);
  }

  #askAboutBroken(): void {
    if (this.#timesAsked >= MOST_TIMES_ASKED) this.#broken.clear();
    if (this.#broken.size === 0) return;
    for (const connection of this.#broken.values()) {
      const { sourcePort, targetPort, sequence, acknowledgment } = connection;
      const header = { sourcePort, targetPort, sequence, acknowledgment, flags: FLAG.ack, window: 0 };
      this.transmit(connection, header, 0, 0);
    }
    this.#askAgain.arm(ASK_AGAIN_MILLIS * 2 ** this.#timesAsked++);
  }

  /** Answers a segment that belongs to no connection (RFC 9293 section 3.10.7.1). */
  #refuse(path: TcpPath, { flags, sequence, acknowledgment, data }: TcpSegment): void {
    const { sourcePort, targetPort } = path;
    const length = data.length + (flags & FLAG.syn ? 1 : 0) + (flags & FLAG.fin ? 1 : 0);
    const answer =
      flags & FLAG.ack
        ? { sequence: acknowledgment, acknowledgment: 0, flags: FLAG.rst }
        : { sequence: 0, acknowledgment: advance(sequence, length), flags: FLAG.rst | FLAG.ack };
    this.transmit(path, { sourcePort, targetPort, ...answer, window: 0 }, 0, 0);
  }

  /** @returns false when there are as many connections as there may be, none of which is over */
  #makeRoom(): boolean {
    if (this.#connections.size < MOST_CONNECTIONS) return true;
    for (const connection of this.#connections.values()) {
      if (!connection.isOver) continue;
      connection.abort();
      return true;
    }
    return false;
  }
}

function keyOfPath({ source, target, sourcePort, targetPort }: TcpPath): string {
  const ports = String.fromCharCode(sourcePort, targetPort);
  return source.length === IPV4_BYTES
    ? keyOf(source) + keyOf(target) + ports
    : `6${keyOf(source)}${keyOf(target)}${ports}`;
}
