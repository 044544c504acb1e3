const CRC_POLYNOMIAL = 0xedb88320;
const CASTAGNOLI_POLYNOMIAL = 0x82f63b78;
const ADLER_MODULUS = 65521;
/** The most bytes whose sums stay exact without taking the remainder. */
const ADLER_RUN = 5552;
/** What one call adds: the host's compiler replaces a function that is called again sooner than one that loops on. */
const CRC_BLOCK = 1 << 13;

const CRC_TABLE = tableOf(CRC_POLYNOMIAL);
const CASTAGNOLI_TABLE = tableOf(CASTAGNOLI_POLYNOMIAL);
/** What a byte does to the CRC when 1 to 7 more bytes follow it. */
const CRC_TABLE_1 = oneByteOn(CRC_TABLE);
const CRC_TABLE_2 = oneByteOn(CRC_TABLE_1);
const CRC_TABLE_3 = oneByteOn(CRC_TABLE_2);
const CRC_TABLE_4 = oneByteOn(CRC_TABLE_3);
const CRC_TABLE_5 = oneByteOn(CRC_TABLE_4);
const CRC_TABLE_6 = oneByteOn(CRC_TABLE_5);
const CRC_TABLE_7 = oneByteOn(CRC_TABLE_6);

function tableOf(polynomial: number): Int32Array {
  return Int32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
    return crc;
  });
}

function oneByteOn(table: Int32Array): Int32Array {
  return table.map((crc) => CRC_TABLE[crc & 0xff] ^ (crc >>> 8));
}

/** The CRC-32 of zip, gzip and PNG (RFC 1952 section 8). @param crc of the bytes before, to go on from */
export function crc32(bytes: Uint8Array, crc: number = 0): number {
  const whole = bytes.length - (bytes.length % 8);
  const words = new DataView(bytes.buffer, bytes.byteOffset, whole);
  let value = ~crc;
  for (let from = 0; from < whole; from += CRC_BLOCK)
    value = addWords(words, from, Math.min(whole, from + CRC_BLOCK), value);
  for (let i = whole; i < bytes.length; i++) value = CRC_TABLE[(value ^ bytes[i]) & 0xff] ^ (value >>> 8);
  return ~value >>> 0;
}

/** Eight bytes at a time: what each does to the CRC does not depend on the others. */
function addWords(words: DataView, from: number, to: number, crc: number): number {
  let value = crc;
  for (let at = from; at < to; at += 8) {
    const low = value ^ words.getInt32(at, true);
    const high = words.getInt32(at + 4, true);
    const first = CRC_TABLE_7[low & 0xff] ^ CRC_TABLE_6[(low >>> 8) & 0xff];
    const second = CRC_TABLE_5[(low >>> 16) & 0xff] ^ CRC_TABLE_4[low >>> 24];
    const third = CRC_TABLE_3[high & 0xff] ^ CRC_TABLE_2[(high >>> 8) & 0xff];
    value = first ^ second ^ third ^ CRC_TABLE_1[(high >>> 16) & 0xff] ^ CRC_TABLE[high >>> 24];
  }
  return value;
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
