import { ByteWriter } from '../base/bytes.ts';
import { onesSum } from '../base/checksums.ts';
import { IPV6_BYTES } from '../base/ip-address.ts';
import { MAC_BYTES, MTU_BYTES } from './ethernet.ts';
import { finishIcmp } from './icmp.ts';
import { type IpPacket, type IpPath, PROTOCOL, pseudoSum } from './ip.ts';

/** Messages of neighbour discovery (RFC 4861 section 4). */
const TYPE = { routerSolicitation: 133, routerAdvertisement: 134, solicitation: 135, advertisement: 136 } as const;
const OPTION = { sourceMac: 1, targetMac: 2, prefix: 3, mtu: 5, nameServers: 25 } as const;
const FLAG_ROUTER = 0x80;
const FLAG_SOLICITED = 0x40;
const FLAG_OVERRIDE = 0x20;
/** The router says: further configuration by DHCPv6. */
const FLAG_OTHER = 0x40;
const PREFIX_BITS = 64;
const PREFIX_FLAGS = 0xc0;
const HOP_LIMIT = 64;
const ROUTER_SECONDS = 1800;
const PREFIX_SECONDS = 86_400;
/** Messages with another hop limit come from elsewhere (RFC 4861 section 6.1). */
export const NDP_HOP_LIMIT = 255;
const TARGET_AT = 8;

/** What a router tells about its network. All addresses are IPv6. */
export interface RouterSettings {
  readonly mac: Uint8Array;
  /** The router's address on the link: it begins with fe80. */
  readonly linkLocal: Uint8Array;
  readonly prefix: Uint8Array;
  readonly nameServer?: Uint8Array;
  /** Whether it leads out of the network. */
  readonly isRouter: boolean;
}

/** An answer: where it goes, and the ICMPv6 message. */
export interface NdpReply {
  readonly path: IpPath;
  readonly message: Uint8Array;
}

/** A message of neighbour discovery, or undefined for another or one that must be ignored. */
export interface NdpMessage {
  /** Where the sender is, if it says so. */
  readonly mac: Uint8Array | undefined;
  readonly reply: NdpReply | undefined;
}

/** Answers solicitations of routers and neighbours. @param isOurs says which addresses are the network's own */
export function answerNdp(
  packet: IpPacket,
  settings: RouterSettings,
  isOurs: (address: Uint8Array) => boolean,
): NdpMessage | undefined {
  const { payload, source } = packet;
  const isRight =
    packet.hopLimit === NDP_HOP_LIMIT &&
    payload[1] === 0 &&
    onesSum(payload, 0, payload.length, pseudoSum(packet, PROTOCOL.icmpv6, payload.length)) === 0xffff;
  if (!isRight) return undefined;
  const isUnspecified = source.every((byte) => byte === 0);
  if (payload[0] === TYPE.routerSolicitation) {
    const mac = macOption(payload.subarray(8), OPTION.sourceMac);
    return { mac, reply: advertiseRouter(settings, isUnspecified ? allNodes() : source) };
  }
  if (payload[0] === TYPE.advertisement && payload.length >= TARGET_AT + IPV6_BYTES) {
    return { mac: macOption(payload.subarray(TARGET_AT + IPV6_BYTES), OPTION.targetMac), reply: undefined };
  }
  if (payload[0] !== TYPE.solicitation || payload.length < TARGET_AT + IPV6_BYTES) return undefined;
  const mac = macOption(payload.subarray(TARGET_AT + IPV6_BYTES), OPTION.sourceMac);
  const target = payload.slice(TARGET_AT, TARGET_AT + IPV6_BYTES);
  if (!isOurs(target)) return { mac, reply: undefined };
  return { mac, reply: advertise(settings, target, isUnspecified ? undefined : source) };
}

/** Tells everybody, or one host, of the router and the prefix for addresses (RFC 4861 section 4.2, RFC 8106). */
export function advertiseRouter(settings: RouterSettings, target: Uint8Array = allNodes()): NdpReply {
  const { mac, linkLocal, prefix, nameServer, isRouter } = settings;
  const writer = new ByteWriter();
  const seconds = (value: number) => writer.append([0, value >> 16, (value >> 8) & 0xff, value & 0xff]);
  writer.append([TYPE.routerAdvertisement, 0, 0, 0, HOP_LIMIT, FLAG_OTHER]);
  const lifetime = isRouter ? ROUTER_SECONDS : 0;
  writer.append([lifetime >> 8, lifetime & 0xff]).zeros(8);
  writer.append([OPTION.sourceMac, 1]).append(mac);
  writer.append([OPTION.mtu, 1, 0, 0]);
  seconds(MTU_BYTES);
  writer.append([OPTION.prefix, 4, PREFIX_BITS, PREFIX_FLAGS]);
  seconds(PREFIX_SECONDS);
  seconds(PREFIX_SECONDS);
  writer.zeros(4).append(prefix);
  if (nameServer) {
    writer.append([OPTION.nameServers, 3, 0, 0]);
    seconds(ROUTER_SECONDS);
    writer.append(nameServer);
  }
  return finish(writer, { source: linkLocal, target });
}

/** Asks who has an address. */
export function solicit(settings: RouterSettings, target: Uint8Array): NdpReply {
  const writer = new ByteWriter().append([TYPE.solicitation, 0]).zeros(6).append(target);
  writer.append([OPTION.sourceMac, 1]).append(settings.mac);
  const group = Uint8Array.of(0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, target[13], target[14], target[15]);
  return finish(writer, { source: settings.linkLocal, target: group });
}

/** @param asker absent where it has no address yet */
function advertise({ mac, isRouter }: RouterSettings, address: Uint8Array, asker: Uint8Array | undefined): NdpReply {
  const flags = FLAG_OVERRIDE | (isRouter ? FLAG_ROUTER : 0) | (asker ? FLAG_SOLICITED : 0);
  const writer = new ByteWriter().append([TYPE.advertisement, 0, 0, 0, flags]).zeros(3).append(address);
  writer.append([OPTION.targetMac, 1]).append(mac);
  return finish(writer, { source: address, target: asker?.slice() ?? allNodes() });
}

function finish(writer: ByteWriter, path: IpPath): NdpReply {
  const message = writer.finish();
  finishIcmp(message, path);
  return { path, message };
}

/** ff02::1 */
function allNodes(): Uint8Array {
  const address = new Uint8Array(IPV6_BYTES);
  address.set([0xff, 2]);
  address[15] = 1;
  return address;
}

function macOption(options: Uint8Array, wanted: number): Uint8Array | undefined {
  for (let at = 0; at + 8 <= options.length && options[at + 1] > 0; at += options[at + 1] * 8) {
    if (options[at] === wanted) return options.slice(at + 2, at + 2 + MAC_BYTES);
  }
  return undefined;
}
