import { IPV4_BYTES } from '../base/ip-address.ts';
import { BROADCAST_MAC, ETHERNET_HEADER_BYTES, ETHERTYPE, get16, MAC_BYTES, put16 } from './ethernet.ts';
import type { GuestLink } from './link.ts';

/** Operations, and where things stand in a packet for Ethernet and IPv4 (RFC 826). */
const OPERATION = { request: 1, reply: 2 } as const;
const FIELD = {
  hardware: 0,
  protocol: 2,
  lengths: 4,
  operation: 6,
  senderMac: 8,
  sender: 14,
  targetMac: 18,
  target: 24,
};
const PACKET_BYTES = 28;
const HARDWARE_ETHERNET = 1;
const LENGTHS = (MAC_BYTES << 8) | IPV4_BYTES;

/** Learns from an ARP packet, and answers it where it asks for one of the network's addresses. */
export function answerArp(link: GuestLink, packet: Uint8Array, isOurs: (address: Uint8Array) => boolean): void {
  const isRight =
    packet.length >= PACKET_BYTES &&
    get16(packet, FIELD.hardware) === HARDWARE_ETHERNET &&
    get16(packet, FIELD.protocol) === ETHERTYPE.ipv4 &&
    get16(packet, FIELD.lengths) === LENGTHS;
  if (!isRight) return;
  const mac = packet.slice(FIELD.senderMac, FIELD.senderMac + MAC_BYTES);
  const sender = packet.slice(FIELD.sender, FIELD.sender + IPV4_BYTES);
  const target = packet.slice(FIELD.target, FIELD.target + IPV4_BYTES);
  const isProbe = sender.every((byte) => byte === 0);
  if (!isProbe && !isOurs(sender)) link.learn(sender, mac);
  if (get16(packet, FIELD.operation) !== OPERATION.request || !isOurs(target)) return;
  link.sendTo(makeArp(OPERATION.reply, link.mac, target, mac, sender), mac, ETHERTYPE.arp);
}

/** Asks who has an address. */
export function requestArp(link: GuestLink, own: Uint8Array, target: Uint8Array): void {
  const frame = makeArp(OPERATION.request, link.mac, own, new Uint8Array(MAC_BYTES), target);
  link.sendTo(frame, BROADCAST_MAC, ETHERTYPE.arp);
}

function makeArp(
  operation: number,
  senderMac: Uint8Array,
  sender: Uint8Array,
  targetMac: Uint8Array,
  target: Uint8Array,
) {
  const frame = new Uint8Array(ETHERNET_HEADER_BYTES + PACKET_BYTES);
  const packet = frame.subarray(ETHERNET_HEADER_BYTES);
  put16(packet, FIELD.hardware, HARDWARE_ETHERNET);
  put16(packet, FIELD.protocol, ETHERTYPE.ipv4);
  put16(packet, FIELD.lengths, LENGTHS);
  put16(packet, FIELD.operation, operation);
  packet.set(senderMac, FIELD.senderMac);
  packet.set(sender, FIELD.sender);
  packet.set(targetMac, FIELD.targetMac);
  packet.set(target, FIELD.target);
  return frame;
}
