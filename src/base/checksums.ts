const CRC_POLYNOMIAL = 0xedb88320;
const CASTAGNOLI_POLYNOMIAL = 0x82f63b78;
const ADLER_MODULUS = 65521;
/** The most bytes whose sums stay exact without taking the remainder. */
const ADLER_RUN = 5552;

const CRC_TABLE = tableOf(CRC_POLYNOMIAL);
const CASTAGNOLI_TABLE = tableOf(CASTAGNOLI_POLYNOMIAL);

function tableOf(polynomial: number): Uint32Array {
  return Uint32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
    return crc;
  });
}

/** The CRC-32 of zip, gzip and PNG (RFC 1952 section 8). @param crc of the bytes before, to go on from */
export function crc32(bytes: Uint8Array, crc: number = 0): number {
  let value = ~crc;
  for (let i = 0; i < bytes.length; i++) value = CRC_TABLE[(value ^ bytes[i]) & 0xff] ^ (value >>> 8);
  return ~value >>> 0;
}

/** The CRC-32C of iSCSI and of VHDX (RFC 3720 section 12.1). */
export function crc32c(bytes: Uint8Array): number {
  let value = ~0;
  for (let i = 0; i < bytes.length; i++) value = CASTAGNOLI_TABLE[(value ^ bytes[i]) & 0xff] ^ (value >>> 8);
  return ~value >>> 0;
}

/** The Adler-32 of zlib streams (RFC 1950 section 8). */
export function adler32(bytes: Uint8Array): number {
  let [low, high] = [1, 0];
  for (let from = 0; from < bytes.length; from += ADLER_RUN) {
    const to = Math.min(bytes.length, from + ADLER_RUN);
    for (let i = from; i < to; i++) {
      low += bytes[i];
      high += low;
    }
    low %= ADLER_MODULUS;
    high %= ADLER_MODULUS;
  }
  return high * 0x10000 + low;
}

/**
 * The one's complement sum of 16-bit words, high byte first (RFC 1071), folded to 16 bits and not inverted. A last odd
 * byte counts as the high one of a word.
 * @param start a sum to go on from, up to 2^30
 */
export function onesSum(bytes: Uint8Array, from: number, end: number, start: number = 0): number {
  let sum = start;
  let at = from;
  for (; at + 7 < end; at += 8) {
    const high = bytes[at] + bytes[at + 2] + bytes[at + 4] + bytes[at + 6];
    sum += (high << 8) + bytes[at + 1] + bytes[at + 3] + bytes[at + 5] + bytes[at + 7];
    sum = (sum & 0xffff) + (sum >>> 16);
  }
  for (; at + 1 < end; at += 2) sum += (bytes[at] << 8) | bytes[at + 1];
  if (at < end) sum += bytes[at] << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}
