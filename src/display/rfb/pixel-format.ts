import { ByteReader } from '../../base/bytes.ts';

/** How a client wants pixels (RFC 6143 section 7.4). */
export interface RfbPixelFormat {
  /** 8, 16 or 32 */
  readonly bitsPerPixel: number;
  readonly depth: number;
  readonly bigEndian: boolean;
  readonly redMax: number;
  readonly greenMax: number;
  readonly blueMax: number;
  readonly redShift: number;
  readonly greenShift: number;
  readonly blueShift: number;
}

export const PIXEL_FORMAT_BYTES = 16;

/** What the server offers: 32 bits, blue lowest. */
export const SERVER_FORMAT: RfbPixelFormat = {
  bitsPerPixel: 32,
  depth: 24,
  bigEndian: false,
  redMax: 255,
  greenMax: 255,
  blueMax: 255,
  redShift: 16,
  greenShift: 8,
  blueShift: 0,
};

/** Reads a PIXEL_FORMAT. @returns undefined for one without true colour or with another number of bits, which is not supported */
export function parsePixelFormat(bytes: Uint8Array): RfbPixelFormat | undefined {
  const reader = new ByteReader(bytes);
  const max = (offset: number) => (reader.u8(offset) << 8) | reader.u8(offset + 1);
  const format = {
    bitsPerPixel: reader.u8(0),
    depth: reader.u8(1),
    bigEndian: reader.u8(2) !== 0,
    redMax: max(4),
    greenMax: max(6),
    blueMax: max(8),
    redShift: reader.u8(10) & 31,
    greenShift: reader.u8(11) & 31,
    blueShift: reader.u8(12) & 31,
  };
  const isTrueColor = reader.u8(3) !== 0;
  return isTrueColor && [8, 16, 32].includes(format.bitsPerPixel) ? format : undefined;
}

export function encodePixelFormat(format: RfbPixelFormat): number[] {
  const { bitsPerPixel, depth, bigEndian, redMax, greenMax, blueMax, redShift, greenShift, blueShift } = format;
  const maxima = [redMax, greenMax, blueMax].flatMap((max) => [max >> 8, max & 0xff]);
  return [bitsPerPixel, depth, Number(bigEndian), 1, ...maxima, redShift, greenShift, blueShift, 0, 0, 0];
}

/** Writes pixels of a Frame as a client wants them. */
export class PixelWriter {
  /** Bytes of a pixel, and of a CPIXEL, which leaves out a byte that is always zero (RFC 6143 section 7.7.5). */
  readonly bytes: number;
  readonly compactBytes: number;
  readonly #format: RfbPixelFormat;
  /** How many of the bytes of a pixel, from its lowest on, a CPIXEL leaves out. */
  readonly #skipped: number;

  constructor(format: RfbPixelFormat) {
    this.#format = format;
    this.bytes = format.bitsPerPixel / 8;
    const used = (shift: number, max: number) => (max * 2 ** shift) % 2 ** 32;
    const bits =
      used(format.redShift, format.redMax) +
      used(format.greenShift, format.greenMax) +
      used(format.blueShift, format.blueMax);
    const isCompact = this.bytes === 4 && format.depth <= 24 && (bits < 2 ** 24 || bits % 256 === 0);
    this.compactBytes = isCompact ? 3 : this.bytes;
    this.#skipped = isCompact && bits >= 2 ** 24 ? 1 : 0;
  }

  /** Whether pixels are words of a Frame's layout, or of it with red and blue exchanged; undefined: neither. */
  get wordOrder(): 'same' | 'exchanged' | undefined {
    const { bigEndian, redMax, greenMax, blueMax, redShift, greenShift, blueShift } = this.#format;
    const isWords = this.bytes === 4 && !bigEndian && [redMax, greenMax, blueMax].every((max) => max === 255);
    if (!isWords || greenShift !== 8) return undefined;
    if (redShift === 0 && blueShift === 16) return 'same';
    return redShift === 16 && blueShift === 0 ? 'exchanged' : undefined;
  }

  /** Writes a pixel. @returns where the next one goes */
  put(pixel: number, target: Uint8Array, at: number): number {
    return this.#put(this.#value(pixel), this.bytes, target, at);
  }

  /** Writes a CPIXEL. */
  putCompact(pixel: number, target: Uint8Array, at: number): number {
    return this.#put(this.#value(pixel) >>> (this.#skipped * 8), this.compactBytes, target, at);
  }

  #value(pixel: number): number {
    const { redMax, greenMax, blueMax, redShift, greenShift, blueShift } = this.#format;
    const red = scaled(pixel & 0xff, redMax) << redShift;
    const green = scaled((pixel >>> 8) & 0xff, greenMax) << greenShift;
    return (red | green | (scaled((pixel >>> 16) & 0xff, blueMax) << blueShift)) >>> 0;
  }

  #put(value: number, bytes: number, target: Uint8Array, at: number): number {
    for (let i = 0; i < bytes; i++) {
      const byte = this.#format.bigEndian ? bytes - 1 - i : i;
      target[at + i] = value >>> (byte * 8);
    }
    return at + bytes;
  }
}

function scaled(level: number, max: number): number {
  return max === 255 ? level : Math.round((level * max) / 255);
}
