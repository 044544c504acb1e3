/** What network cards do for their drivers: checksums and the cutting of large TCP segments. */
import { onesSum } from '../base/checksums.ts';
import type { FrameOffload } from './interfaces.ts';

const ETHERNET_HEADER_BYTES = 14;
const VLAN_TAG_BYTES = 4;
const ETHERTYPE = { ipv4: 0x0800, ipv6: 0x86dd, vlan: 0x8100 } as const;
const PROTOCOL = { tcp: 6, udp: 17 } as const;
const IPV6_HEADER_BYTES = 40;
const TCP_HEADER_BYTES = 20;
const UDP_HEADER_BYTES = 8;
const TCP_FIN_PSH = 0x09;
const TCP_CWR = 0x80;
/** More segments than the largest packet has at the smallest sensible size. */
const MOST_SEGMENTS = 1024;

/**
 * Puts the checksum of everything from `start` on where the driver wants it; the sum of the pseudo header stands there
 * already. Does nothing where that place is outside of the frame.
 */
export function completeChecksum(frame: Uint8Array, start: number, at: number, end = frame.length): void {
  if (at + 2 > frame.length || start > end) return;
  put16(frame, at, ~onesSum(frame, start, end) & 0xffff);
}

/** Where the headers of an IP packet of TCP or UDP begin, in a frame that is not a fragment. */
interface Layout {
  readonly ip: number;
  readonly isIpv6: boolean;
  readonly protocol: number;
  readonly transport: number;
  /** Where the packet ends: behind it may be padding. */
  readonly end: number;
}

/** A length of 0 in the IP header stands for the rest of the frame: drivers leave it out where the card cuts segments. */
function layoutOf(frame: Uint8Array): Layout | undefined {
  const tag = get16(frame, 12) === ETHERTYPE.vlan ? VLAN_TAG_BYTES : 0;
  const ip = ETHERNET_HEADER_BYTES + tag;
  const type = get16(frame, ip - 2);
  if (type === ETHERTYPE.ipv4) {
    const isFragment = (get16(frame, ip + 6) & 0x3fff) !== 0;
    const transport = ip + (frame[ip] & 15) * 4;
    const end = Math.min(frame.length, ip + (get16(frame, ip + 2) || frame.length));
    const inside = transport + UDP_HEADER_BYTES <= end;
    return isFragment || !inside ? undefined : { ip, isIpv6: false, protocol: frame[ip + 9], transport, end };
  }
  const transport = ip + IPV6_HEADER_BYTES;
  if (type !== ETHERTYPE.ipv6 || transport + UDP_HEADER_BYTES > frame.length) return undefined;
  const end = Math.min(frame.length, transport + (get16(frame, ip + 4) || frame.length));
  return { ip, isIpv6: true, protocol: frame[ip + 6], transport, end };
}

/** Whether the frame carries TCP or UDP over IP and its checksum is right. */
export function hasValidChecksum(frame: Uint8Array): boolean {
  const layout = layoutOf(frame);
  if (layout?.protocol !== PROTOCOL.tcp && layout?.protocol !== PROTOCOL.udp) return false;
  return (
    onesSum(frame, layout.transport, layout.end, pseudoSum(frame, layout, layout.end - layout.transport)) === 0xffff
  );
}

/** The sum of the pseudo header (RFC 9293 section 3.1, RFC 8200 section 8.1). */
function pseudoSum(frame: Uint8Array, { ip, isIpv6, protocol }: Layout, length: number): number {
  const [from, end] = isIpv6 ? [ip + 8, ip + 40] : [ip + 12, ip + 20];
  return onesSum(frame, from, end, protocol + length);
}

/**
 * Cuts a frame with a large TCP segment into frames of at most `mss` bytes of payload, with all their headers and
 * checksums right. A frame that is nothing of the kind comes back alone.
 */
export function segmentTcp(frame: Uint8Array, mss: number): Uint8Array[] {
  const layout = layoutOf(frame);
  if (layout?.protocol !== PROTOCOL.tcp || layout.transport + TCP_HEADER_BYTES > frame.length) return [frame];
  const payload = layout.transport + (frame[layout.transport + 12] >> 4) * 4;
  const count = Math.max(1, Math.ceil((frame.length - payload) / mss));
  if (!(mss > 0) || payload > frame.length || count > MOST_SEGMENTS) return [frame];
  return Array.from({ length: count }, (_, index) => segment(frame, layout, payload, mss, index, count));
}

/** The frames that a frame becomes once what is left to be done to it is done. */
export function finishFrame(frame: Uint8Array, offload: FrameOffload | undefined): Uint8Array[] {
  if (!offload) return [frame];
  if (offload.segmentBytes > 0) return segmentTcp(frame, offload.segmentBytes);
  const finished = frame.slice();
  completeChecksum(finished, offload.checksumStart, offload.checksumAt);
  return [finished];
}

function segment(frame: Uint8Array, layout: Layout, payload: number, mss: number, index: number, count: number) {
  const from = payload + index * mss;
  const data = frame.subarray(from, Math.min(from + mss, frame.length));
  const part = new Uint8Array(payload + data.length);
  part.set(frame.subarray(0, payload));
  part.set(data, payload);
  const { ip, isIpv6, transport } = layout;
  if (isIpv6) put16(part, ip + 4, part.length - transport);
  else {
    put16(part, ip + 2, part.length - ip);
    put16(part, ip + 4, get16(frame, ip + 4) + index);
    put16(part, ip + 10, 0);
    put16(part, ip + 10, ~onesSum(part, ip, transport) & 0xffff);
  }
  const view = new DataView(part.buffer);
  view.setUint32(transport + 4, view.getUint32(transport + 4) + index * mss);
  if (index > 0) part[transport + 13] &= ~TCP_CWR;
  if (index + 1 < count) part[transport + 13] &= ~TCP_FIN_PSH;
  put16(part, transport + 16, 0);
  const sum = onesSum(part, transport, part.length, pseudoSum(part, layout, part.length - transport));
  put16(part, transport + 16, ~sum & 0xffff);
  return part;
}

function get16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}

function put16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >> 8;
  bytes[at + 1] = value;
}
