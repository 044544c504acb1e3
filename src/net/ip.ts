import { onesSum } from '../base/checksums.ts';
import { IPV4_BYTES, IPV6_BYTES } from '../base/ip-address.ts';
import { ETHERNET_HEADER_BYTES, get16, get32, MTU_BYTES, put16, put32 } from './ethernet.ts';

/** Protocol numbers (IANA), among them the extension headers of IPv6. */
export const PROTOCOL = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58 } as const;
const EXTENSION = { hopByHop: 0, routing: 43, fragment: 44, destination: 60 } as const;

export const IPV4_HEADER_BYTES = 20;
export const IPV6_HEADER_BYTES = 40;
const FRAGMENT_HEADER_BYTES = 8;
const MORE_FRAGMENTS = 0x2000;
const DONT_FRAGMENT = 0x4000;
const FRAGMENT_OFFSET = 0x1fff;
const MOST_EXTENSIONS = 8;
const HOP_LIMIT = 64;

/** Which part of a packet this is. */
export interface Fragment {
  readonly id: number;
  readonly offsetBytes: number;
  readonly more: boolean;
}

/** Who talks to whom: addresses of one kind. */
export interface IpPath {
  readonly source: Uint8Array;
  readonly target: Uint8Array;
}

/** A packet of either kind, or a part of one. */
export interface IpPacket extends IpPath {
  readonly protocol: number;
  readonly hopLimit: number;
  readonly payload: Uint8Array;
  readonly fragment?: Fragment;
  /** The packet from its IP header on, for ICMP errors. */
  readonly bytes: Uint8Array;
}

/** Reads an IPv4 packet (RFC 791 section 3.1). A total length of 0 stands for all there is: drivers leave it out where the
 * card cuts segments. @returns undefined when it is malformed */
export function parseIpv4(bytes: Uint8Array): IpPacket | undefined {
  const headerBytes = (bytes[0] & 15) * 4;
  const totalBytes = get16(bytes, 2) || bytes.length;
  const fits = headerBytes >= IPV4_HEADER_BYTES && headerBytes <= totalBytes && totalBytes <= bytes.length;
  if (bytes[0] >> 4 !== 4 || !fits || onesSum(bytes, 0, headerBytes) !== 0xffff) return undefined;
  const flags = get16(bytes, 6);
  const isFragment = (flags & (MORE_FRAGMENTS | FRAGMENT_OFFSET)) !== 0;
  return {
    source: bytes.subarray(12, 16),
    target: bytes.subarray(16, 20),
    protocol: bytes[9],
    hopLimit: bytes[8],
    payload: bytes.subarray(headerBytes, totalBytes),
    fragment: isFragment
      ? { id: get16(bytes, 4), offsetBytes: (flags & FRAGMENT_OFFSET) * 8, more: (flags & MORE_FRAGMENTS) !== 0 }
      : undefined,
    bytes: bytes.subarray(0, totalBytes),
  };
}

/** Reads an IPv6 packet with its extension headers (RFC 8200 sections 3 and 4). @returns undefined when it is malformed */
export function parseIpv6(bytes: Uint8Array): IpPacket | undefined {
  const end = IPV6_HEADER_BYTES + (get16(bytes, 4) || bytes.length - IPV6_HEADER_BYTES);
  if (bytes[0] >> 4 !== 6 || bytes.length < IPV6_HEADER_BYTES || end > bytes.length) return undefined;
  let [protocol, at]: [number, number] = [bytes[6], IPV6_HEADER_BYTES];
  let fragment: Fragment | undefined;
  for (let steps = 0; isExtension(protocol); steps++) {
    if (steps >= MOST_EXTENSIONS || at + FRAGMENT_HEADER_BYTES > end) return undefined;
    if (protocol === EXTENSION.fragment) fragment = fragmentOf(bytes, at);
    const length = protocol === EXTENSION.fragment ? FRAGMENT_HEADER_BYTES : (bytes[at + 1] + 1) * 8;
    protocol = bytes[at];
    at += length;
    if (fragment) break;
  }
  if (at > end) return undefined;
  return {
    source: bytes.subarray(8, 24),
    target: bytes.subarray(24, 40),
    protocol,
    hopLimit: bytes[7],
    payload: bytes.subarray(at, end),
    fragment: fragment && (fragment.more || fragment.offsetBytes > 0) ? fragment : undefined,
    bytes: bytes.subarray(0, end),
  };
}

function isExtension(protocol: number): boolean {
  return (
    protocol === EXTENSION.hopByHop ||
    protocol === EXTENSION.routing ||
    protocol === EXTENSION.fragment ||
    protocol === EXTENSION.destination
  );
}

function fragmentOf(bytes: Uint8Array, at: number): Fragment {
  const word = get16(bytes, at + 2);
  return { id: get32(bytes, at + 4), offsetBytes: word & 0xfff8, more: (word & 1) !== 0 };
}

/** The sum of the pseudo header that TCP, UDP and ICMPv6 checksums begin with (RFC 9293 section 3.1, RFC 8200 section 8.1). */
export function pseudoSum({ source, target }: IpPath, protocol: number, lengthBytes: number): number {
  const sum = onesSum(source, 0, source.length, protocol + lengthBytes);
  return onesSum(target, 0, target.length, sum);
}

/** Bytes before the payload of a packet in its frame. */
export function headerBytesOf({ source }: IpPath): number {
  return ETHERNET_HEADER_BYTES + (source.length === IPV6_BYTES ? IPV6_HEADER_BYTES : IPV4_HEADER_BYTES);
}

/** Makes frames of IP packets whose Ethernet header is still to be filled in. */
export class IpWriter {
  #id = 0;

  /** A frame with an IP header and room for a payload.
   * @param payloadBytes up to 65,515: more than {@link MTU_BYTES} only for what is cut into segments later */
  frame(path: IpPath, protocol: number, payloadBytes: number, hopLimit: number = HOP_LIMIT): Uint8Array<ArrayBuffer> {
    const frame = new Uint8Array(headerBytesOf(path) + payloadBytes);
    this.#putHeader(frame, path, protocol, payloadBytes, hopLimit);
    if (path.source.length === IPV4_BYTES) {
      put16(frame, ETHERNET_HEADER_BYTES + 4, this.#nextId());
      finishIpv4(frame, DONT_FRAGMENT);
    }
    return frame;
  }

  /** The frames of a packet: several where it is longer than the MTU. @param payload up to 65,515 bytes */
  frames(path: IpPath, protocol: number, payload: Uint8Array, hopLimit: number = HOP_LIMIT): Uint8Array[] {
    const fits = headerBytesOf(path) - ETHERNET_HEADER_BYTES + payload.length <= MTU_BYTES;
    if (!fits) return this.#fragments(path, protocol, payload, hopLimit);
    const frame = this.frame(path, protocol, payload.length, hopLimit);
    frame.set(payload, headerBytesOf(path));
    return [frame];
  }

  #fragments(path: IpPath, protocol: number, payload: Uint8Array, hopLimit: number): Uint8Array[] {
    const isIpv6 = path.source.length === IPV6_BYTES;
    const header = headerBytesOf(path);
    const extra = isIpv6 ? FRAGMENT_HEADER_BYTES : 0;
    const partBytes = (ETHERNET_HEADER_BYTES + MTU_BYTES - header - extra) & ~7;
    const id = this.#nextId();
    return Array.from({ length: Math.ceil(payload.length / partBytes) }, (_, index) => {
      const part = payload.subarray(index * partBytes, (index + 1) * partBytes);
      const more = (index + 1) * partBytes < payload.length;
      const frame = new Uint8Array(header + extra + part.length);
      const first = isIpv6 ? EXTENSION.fragment : protocol;
      this.#putHeader(frame, path, first, extra + part.length, hopLimit);
      frame.set(part, header + extra);
      if (isIpv6) {
        frame[header] = protocol;
        put16(frame, header + 2, (index * partBytes) | (more ? 1 : 0));
        put32(frame, header + 4, id);
      } else {
        put16(frame, ETHERNET_HEADER_BYTES + 4, id);
        finishIpv4(frame, ((index * partBytes) / 8) | (more ? MORE_FRAGMENTS : 0));
      }
      return frame;
    });
  }

  #putHeader(frame: Uint8Array, path: IpPath, protocol: number, payloadBytes: number, hopLimit: number): void {
    const at = ETHERNET_HEADER_BYTES;
    if (path.source.length === IPV6_BYTES) {
      frame[at] = 6 << 4;
      put16(frame, at + 4, payloadBytes);
      frame[at + 6] = protocol;
      frame[at + 7] = hopLimit;
      frame.set(path.source, at + 8);
      frame.set(path.target, at + 24);
    } else {
      frame[at] = (4 << 4) | (IPV4_HEADER_BYTES / 4);
      put16(frame, at + 2, IPV4_HEADER_BYTES + payloadBytes);
      frame[at + 8] = hopLimit;
      frame[at + 9] = protocol;
      frame.set(path.source, at + 12);
      frame.set(path.target, at + 16);
    }
  }

  #nextId(): number {
    this.#id = (this.#id + 1) & 0xffff;
    return this.#id;
  }
}

/** Puts the flags and the fragment's offset, and the checksum over the header. */
function finishIpv4(frame: Uint8Array, flags: number): void {
  const at = ETHERNET_HEADER_BYTES;
  put16(frame, at + 6, flags);
  put16(frame, at + 10, ~onesSum(frame, at, at + IPV4_HEADER_BYTES) & 0xffff);
}
