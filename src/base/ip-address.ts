/** IP addresses: 4 or 16 bytes, and their texts. */

export const IPV4_BYTES = 4;
export const IPV6_BYTES = 16;
const GROUPS = 8;

/** Reads an IPv4 or IPv6 address (RFC 4291 section 2.2). @returns undefined when it is none */
export function parseAddress(text: string): Uint8Array<ArrayBuffer> | undefined {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text);
}

function parseIpv4(text: string): Uint8Array<ArrayBuffer> | undefined {
  const parts = text.split('.');
  const isRight = parts.length === IPV4_BYTES && parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256);
  return isRight ? Uint8Array.from(parts, Number) : undefined;
}

function parseIpv6(text: string): Uint8Array<ArrayBuffer> | undefined {
  const halves = text.replace(/%.*$/, '').split('::');
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map((half) => (half === '' ? [] : groupsOf(half)));
  if (!head || (halves.length === 2 && !tail)) return undefined;
  const missing = GROUPS - head.length - (tail?.length ?? 0);
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...head, ...new Array<number>(missing).fill(0), ...(tail ?? [])];
  return Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff]));
}

/** The 16-bit groups between colons; the last may be an IPv4 address. */
function groupsOf(text: string): number[] | undefined {
  const words = text.split(':');
  const last = words.at(-1) ?? '';
  const ipv4 = last.includes('.') ? parseIpv4(last) : undefined;
  if (ipv4) words.splice(-1, 1, hex16(ipv4[0], ipv4[1]), hex16(ipv4[2], ipv4[3]));
  if (!words.every((word) => /^[0-9a-f]{1,4}$/i.test(word))) return undefined;
  return words.map((word) => Number.parseInt(word, 16));
}

function hex16(high: number, low: number): string {
  return ((high << 8) | low).toString(16);
}

/** The address as text: for IPv6 as RFC 5952 wants it. */
export function formatAddress(address: Uint8Array): string {
  if (address.length === IPV4_BYTES) return address.join('.');
  const groups = Array.from({ length: GROUPS }, (_, i) => hex16(address[i * 2], address[i * 2 + 1]));
  const zeros = [...groups.join(':').matchAll(/(?:^|(?<=:))0(?::0)+(?=:|$)/g)].sort(
    (a, b) => b[0].length - a[0].length,
  )[0];
  if (!zeros) return groups.join(':');
  const text = groups.join(':');
  return `${text.slice(0, zeros.index).replace(/:$/, '')}::${text.slice(zeros.index + zeros[0].length).replace(/^:/, '')}`;
}

/** Addresses that begin with the same bits. */
export interface Cidr {
  readonly address: Uint8Array;
  readonly prefixBits: number;
}

/** Reads `10.0.0.0/8`, or a lone address. @returns undefined when it is neither */
export function parseCidr(text: string): Cidr | undefined {
  const [, base = '', bits] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const address = parseAddress(base);
  if (!address) return undefined;
  const prefixBits = bits === undefined ? address.length * 8 : Number(bits);
  return prefixBits <= address.length * 8 ? { address, prefixBits } : undefined;
}

/** Whether an address of the same kind lies in a range. */
export function isInCidr(address: Uint8Array, { address: base, prefixBits }: Cidr): boolean {
  if (address.length !== base.length) return false;
  const whole = prefixBits >> 3;
  for (let i = 0; i < whole; i++) if (address[i] !== base[i]) return false;
  const rest = prefixBits & 7;
  return rest === 0 || (address[whole] ^ base[whole]) >> (8 - rest) === 0;
}
