import { createHash } from 'node:crypto';
import { onesSum } from '../../src/base/checksums.ts';
import type { NetPort } from '../../src/machine/interfaces.ts';
import { hasValidChecksum } from '../../src/machine/net-offload.ts';

const ETHERTYPE = { ipv4: 0x0800, arp: 0x0806 } as const;
const PROTOCOL = { icmp: 1, tcp: 6 } as const;
const FLAG = { fin: 1, syn: 2, ack: 16 } as const;
const SEQUENCE = 1_000_000;
const HEADERS = 54;
const MOST_FRAME_BYTES = 1514;

/** What came in over one TCP connection. */
interface Received {
  readonly hash: ReturnType<typeof createHash>;
  bytes: number;
  next: number;
}

/**
 * A host at the other end of a guest's cable: answers ARP and ICMP echo for one address, and swallows what comes over TCP.
 * It expects that no frame is lost, none is too long, and every checksum right.
 */
export class EchoHost implements NetPort {
  /** What was wrong with frames, if anything. */
  readonly complaints: string[] = [];
  pings = 0;
  readonly #address: Uint8Array;
  readonly #mac = Uint8Array.of(0x52, 0x55, 10, 0, 2, 2);
  readonly #connections = new Map<number, Received>();
  readonly #finished: string[] = [];
  #receive: (frame: Uint8Array) => void = () => {};

  /** @param address IPv4, such as 10.0.2.2 */
  constructor(address: string) {
    this.#address = Uint8Array.from(address.split('.'), Number);
  }

  /** SHA-256 of what came over each connection that has ended. */
  get received(): readonly string[] {
    return this.#finished;
  }

  send(frame: Uint8Array): boolean {
    if (frame.length > MOST_FRAME_BYTES) this.complaints.push(`a frame of ${frame.length} bytes`);
    const type = get16(frame, 12);
    if (type === ETHERTYPE.arp) this.#answerArp(frame);
    else if (type === ETHERTYPE.ipv4 && equal(frame.subarray(30, 34), this.#address)) this.#answerIp(frame);
    return true;
  }

  onFrame(receive: (frame: Uint8Array) => void): void {
    this.#receive = receive;
  }

  #answerArp(frame: Uint8Array): void {
    if (get16(frame, 20) !== 1 || !equal(frame.subarray(38, 42), this.#address)) return;
    const reply = this.#replyTo(frame, 42);
    reply.set(frame.subarray(12, 20), 12);
    reply[21] = 2;
    reply.set(this.#mac, 22);
    reply.set(this.#address, 28);
    reply.set(frame.subarray(22, 32), 32);
    this.#receive(reply);
  }

  #answerIp(frame: Uint8Array): void {
    if (onesSum(frame, 14, 34) !== 0xffff) this.complaints.push('a wrong IP checksum');
    if (frame[23] === PROTOCOL.icmp && frame[34] === 8) this.#answerPing(frame);
    else if (frame[23] === PROTOCOL.tcp) this.#answerTcp(frame);
  }

  #answerPing(frame: Uint8Array): void {
    if (onesSum(frame, 34, 14 + get16(frame, 16)) !== 0xffff) this.complaints.push('a wrong ICMP checksum');
    const reply = this.#ipReply(frame, frame.length);
    reply.set(frame.subarray(34), 34);
    reply[34] = 0;
    put16(reply, 36, 0);
    put16(reply, 36, ~onesSum(reply, 34, 14 + get16(reply, 16)) & 0xffff);
    this.pings++;
    this.#receive(reply);
  }

  #answerTcp(frame: Uint8Array): void {
    if (!hasValidChecksum(frame)) this.complaints.push('a wrong TCP checksum');
    const view = new DataView(frame.buffer, frame.byteOffset);
    const [port, flags, sequence] = [view.getUint16(34), frame[47], view.getUint32(38)];
    if (flags & FLAG.syn) {
      this.#connections.set(port, { hash: createHash('sha256'), bytes: 0, next: (sequence + 1) >>> 0 });
      this.#sendTcp(frame, FLAG.syn | FLAG.ack, SEQUENCE, (sequence + 1) >>> 0);
      return;
    }
    const connection = this.#connections.get(port);
    if (!connection) return;
    const data = frame.subarray(34 + (frame[46] >> 4) * 4, 14 + get16(frame, 16));
    if (sequence === connection.next) {
      connection.hash.update(data);
      connection.bytes += data.length;
      connection.next = (sequence + data.length + (flags & FLAG.fin)) >>> 0;
    }
    if (flags & FLAG.fin) {
      this.#finished.push(connection.hash.digest('hex'));
      this.#connections.delete(port);
      this.#sendTcp(frame, FLAG.ack | FLAG.fin, SEQUENCE + 1, connection.next);
    } else if (data.length > 0) this.#sendTcp(frame, FLAG.ack, SEQUENCE + 1, connection.next);
  }

  #sendTcp(frame: Uint8Array, flags: number, sequence: number, acknowledged: number): void {
    const reply = this.#ipReply(frame, HEADERS);
    const view = new DataView(reply.buffer);
    put16(reply, 16, HEADERS - 14);
    put16(reply, 24, 0);
    put16(reply, 24, ~onesSum(reply, 14, 34) & 0xffff);
    reply.set(frame.subarray(36, 38), 34);
    reply.set(frame.subarray(34, 36), 36);
    view.setUint32(38, sequence);
    view.setUint32(42, acknowledged);
    reply.set([0x50, flags, 0xff, 0xff], 46);
    put16(reply, 50, ~onesSum(reply, 26, HEADERS, PROTOCOL.tcp + HEADERS - 34) & 0xffff);
    this.#receive(reply);
  }

  /** A frame back to the sender. */
  #replyTo(frame: Uint8Array, length: number): Uint8Array {
    const reply = new Uint8Array(length);
    reply.set(frame.subarray(6, 12));
    reply.set(this.#mac, 6);
    return reply;
  }

  /** The same with the IP header turned around. */
  #ipReply(frame: Uint8Array, length: number): Uint8Array {
    const reply = this.#replyTo(frame, length);
    reply.set(frame.subarray(12, 26), 12);
    reply.set(frame.subarray(30, 34), 26);
    reply.set(frame.subarray(26, 30), 30);
    return reply;
  }
}

function get16(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 8) | bytes[at + 1];
}

function put16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >> 8;
  bytes[at + 1] = value;
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
