import { onesSum } from '../base/checksums.ts';
import { IPV4_BYTES, IPV6_BYTES } from '../base/ip-address.ts';
import { put16 } from './ethernet.ts';
import { IPV4_HEADER_BYTES, type IpPacket, type IpPath, PROTOCOL, pseudoSum } from './ip.ts';

/** Types of messages (RFC 792, RFC 4443). */
const TYPE_V4 = { echoReply: 0, unreachable: 3, echo: 8 } as const;
const TYPE_V6 = { unreachable: 1, echo: 128, echoReply: 129 } as const;
const HEADER_BYTES = 8;
/** What of the packet that caused an error goes with it. */
const MOST_QUOTED_BYTES = 512;

/** Why a packet did not get through, with the codes of both kinds (RFC 792, RFC 1812 section 5.2.7.1, RFC 4443 section 3.1). */
const CODES = {
  noRoute: { v4: 0, v6: 0 },
  host: { v4: 1, v6: 3 },
  port: { v4: 3, v6: 4 },
  prohibited: { v4: 13, v6: 1 },
} as const;
export type Unreachable = keyof typeof CODES;

/** The answer to an echo request, or undefined for other messages and those with a wrong checksum. */
export function echoReply(packet: IpPacket): Uint8Array | undefined {
  const { payload } = packet;
  const isIpv6 = packet.source.length === IPV6_BYTES;
  const start = isIpv6 ? pseudoSum(packet, PROTOCOL.icmpv6, payload.length) : 0;
  const isRight = payload.length >= HEADER_BYTES && onesSum(payload, 0, payload.length, start) === 0xffff;
  if (!isRight || payload[0] !== (isIpv6 ? TYPE_V6.echo : TYPE_V4.echo)) return undefined;
  const reply = payload.slice();
  reply[0] = isIpv6 ? TYPE_V6.echoReply : TYPE_V4.echoReply;
  finishIcmp(reply, packet);
  return reply;
}

/** The message that says why a packet did not get through. @param path from us to the packet's sender */
export function unreachable(packet: IpPacket, why: Unreachable, path: IpPath): Uint8Array {
  const isIpv6 = packet.source.length === IPV6_BYTES;
  const quoted = packet.bytes.subarray(0, isIpv6 ? MOST_QUOTED_BYTES : IPV4_HEADER_BYTES + MOST_QUOTED_BYTES);
  const message = new Uint8Array(HEADER_BYTES + quoted.length);
  message[0] = isIpv6 ? TYPE_V6.unreachable : TYPE_V4.unreachable;
  message[1] = isIpv6 ? CODES[why].v6 : CODES[why].v4;
  message.set(quoted, HEADER_BYTES);
  finishIcmp(message, path);
  return message;
}

/** Puts the checksum: that of ICMPv6 covers the addresses too, whichever way they stand. */
export function finishIcmp(message: Uint8Array, path: IpPath): void {
  const start = path.source.length === IPV4_BYTES ? 0 : pseudoSum(path, PROTOCOL.icmpv6, message.length);
  put16(message, 2, 0);
  put16(message, 2, ~onesSum(message, 0, message.length, start) & 0xffff);
}
