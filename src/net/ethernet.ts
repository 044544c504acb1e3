/** Ethernet frames (IEEE 802.3) and what they carry. */

export const ETHERNET_HEADER_BYTES = 14;
export const MAC_BYTES = 6;
/** EtherTypes (IEEE 802 numbers). */
export const ETHERTYPE = { ipv4: 0x0800, arp: 0x0806, vlan: 0x8100, ipv6: 0x86dd } as const;
/** The most bytes of an IP packet in a frame. */
export const MTU_BYTES = 1500;
export const BROADCAST_MAC = new Uint8Array(MAC_BYTES).fill(0xff);

/** 16 bits, high byte first; 0 for bytes past the end. */
export function get16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}

/** 32 bits, high byte first, unsigned; 0 for bytes past the end. */
export function get32(bytes: Uint8Array, at: number): number {
  return get16(bytes, at) * 0x10000 + get16(bytes, at + 2);
}

export function put16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}

export function put32(bytes: Uint8Array, at: number, value: number): void {
  put16(bytes, at, value >>> 16);
  put16(bytes, at + 2, value & 0xffff);
}

/** Whether two addresses, or other short runs of bytes, are the same. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Whether a frame's destination is a group of stations. */
export function isMulticast(mac: Uint8Array): boolean {
  return (mac[0] & 1) !== 0;
}

/** Writes destination, source and type. */
export function putEthernetHeader(frame: Uint8Array, to: Uint8Array, from: Uint8Array, type: number): void {
  frame.set(to, 0);
  frame.set(from, MAC_BYTES);
  put16(frame, 12, type);
}
