import { onesSum } from '../base/checksums.ts';
import { IPV6_BYTES } from '../base/ip-address.ts';
import { get16, put16 } from './ethernet.ts';
import { type IpPacket, type IpPath, PROTOCOL, pseudoSum } from './ip.ts';

const HEADER_BYTES = 8;
const CHECKSUM = 6;

/** A datagram (RFC 768) and where it comes from. */
export interface Datagram extends IpPath {
  readonly sourcePort: number;
  readonly targetPort: number;
  readonly data: Uint8Array;
  /** The packet it came in, for ICMP errors. */
  readonly packet: IpPacket;
}

/** Reads a datagram. @param trusted its checksum is still to be made  @returns undefined when it is malformed */
export function parseUdp(packet: IpPacket, trusted: boolean): Datagram | undefined {
  const { payload } = packet;
  const length = get16(payload, 4);
  if (length < HEADER_BYTES || length > payload.length) return undefined;
  const isUnchecked = trusted || (get16(payload, CHECKSUM) === 0 && packet.source.length !== IPV6_BYTES);
  const isRight = isUnchecked || onesSum(payload, 0, length, pseudoSum(packet, PROTOCOL.udp, length)) === 0xffff;
  if (!isRight) return undefined;
  return {
    source: packet.source,
    target: packet.target,
    sourcePort: get16(payload, 0),
    targetPort: get16(payload, 2),
    data: payload.subarray(HEADER_BYTES, length),
    packet,
  };
}

/** The bytes of a datagram. @param data up to 65,507 bytes */
export function makeUdp(path: IpPath, sourcePort: number, targetPort: number, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + data.length);
  put16(bytes, 0, sourcePort);
  put16(bytes, 2, targetPort);
  put16(bytes, 4, bytes.length);
  bytes.set(data, HEADER_BYTES);
  const sum = ~onesSum(bytes, 0, bytes.length, pseudoSum(path, PROTOCOL.udp, bytes.length)) & 0xffff;
  put16(bytes, CHECKSUM, sum || 0xffff);
  return bytes;
}
