import type { DeflateStream } from '../../base/deflate-stream.ts';
import type { Frame, Rect } from '../interfaces.ts';
import type { PixelWriter } from './pixel-format.ts';

const TILE = 64;
const PALETTE_MOST = 16;
const SUBENCODING_RAW = 0;
const SUBENCODING_SOLID = 1;
const SUBENCODING_RLE = 128;

/** How long the data of {@link encodeRaw} is. */
export function rawBytes({ width, height }: Rect, { bytes }: PixelWriter): number {
  return width * height * bytes;
}

/** Puts all pixels of a part one after the other (RFC 6143 section 7.7.1). @param start where in `target` the first one goes */
export function encodeRaw(frame: Frame, rect: Rect, writer: PixelWriter, target: Uint8Array, start: number): void {
  if (writer.wordOrder && (target.byteOffset + start) % 4 === 0) {
    const words = new Uint32Array(target.buffer, target.byteOffset + start, rect.width * rect.height);
    encodeWords(frame, rect, writer.wordOrder === 'exchanged', words);
    return;
  }
  let at = start;
  for (let y = rect.y; y < rect.y + rect.height; y++) {
    const row = y * frame.width;
    for (let x = rect.x; x < rect.x + rect.width; x++) at = writer.put(frame.pixels[row + x], target, at);
  }
}

/** The same for the usual layouts, a word at a time. */
function encodeWords({ pixels, width: pitch }: Frame, rect: Rect, exchange: boolean, words: Uint32Array): void {
  let at = 0;
  for (let y = rect.y; y < rect.y + rect.height; y++) {
    const from = y * pitch + rect.x;
    if (exchange) for (let x = from; x < from + rect.width; x++) words[at++] = exchanged(pixels[x]);
    else {
      words.set(pixels.subarray(from, from + rect.width), at);
      at += rect.width;
    }
  }
}

function exchanged(pixel: number): number {
  return ((pixel & 0xff) << 16) | (pixel & 0xff00) | ((pixel >>> 16) & 0xff);
}

/** Tiles of 64×64 pixels with palettes and runs, compressed (RFC 6143 section 7.7.6). @param stream the client's own */
export function encodeZrle(frame: Frame, rect: Rect, writer: PixelWriter, stream: DeflateStream): Uint8Array {
  const tiles = new TileWriter(writer, rect);
  for (let y = rect.y; y < rect.y + rect.height; y += TILE) {
    for (let x = rect.x; x < rect.x + rect.width; x += TILE) {
      const width = Math.min(TILE, rect.x + rect.width - x);
      const height = Math.min(TILE, rect.y + rect.height - y);
      tiles.add(tilePixels(frame, { x, y, width, height }), width);
    }
  }
  const data = stream.push(tiles.bytes);
  const bytes = new Uint8Array(4 + data.length);
  new DataView(bytes.buffer).setUint32(0, data.length);
  bytes.set(data, 4);
  return bytes;
}

function tilePixels(frame: Frame, { x, y, width, height }: Rect): Uint32Array {
  const pixels = new Uint32Array(width * height);
  for (let row = 0; row < height; row++) {
    const from = (y + row) * frame.width + x;
    pixels.set(frame.pixels.subarray(from, from + width), row * width);
  }
  return pixels;
}

/** Writes tiles, each in whichever way is shortest. */
class TileWriter {
  readonly #writer: PixelWriter;
  readonly #out: Uint8Array;
  #length = 0;

  constructor(writer: PixelWriter, { width, height }: Rect) {
    this.#writer = writer;
    const tiles = Math.ceil(width / TILE) * Math.ceil(height / TILE);
    this.#out = new Uint8Array(tiles + width * height * (writer.compactBytes + 1));
  }

  get bytes(): Uint8Array {
    return this.#out.subarray(0, this.#length);
  }

  add(pixels: Uint32Array, width: number): void {
    const palette = paletteOf(pixels);
    if (palette?.size === 1) {
      this.#byte(SUBENCODING_SOLID);
      this.#pixel(pixels[0]);
    } else if (palette) this.#addPacked(pixels, width, palette);
    else if (countRuns(pixels) * (this.#writer.compactBytes + 1) < pixels.length * this.#writer.compactBytes) {
      this.#addRuns(pixels);
    } else {
      this.#byte(SUBENCODING_RAW);
      for (const pixel of pixels) this.#pixel(pixel);
    }
  }

  /** Palette, then an index a pixel of one, two or four bits; rows start at whole bytes. */
  #addPacked(pixels: Uint32Array, width: number, palette: ReadonlyMap<number, number>): void {
    this.#byte(palette.size);
    for (const pixel of palette.keys()) this.#pixel(pixel);
    const bits = palette.size <= 2 ? 1 : palette.size <= 4 ? 2 : 4;
    for (let row = 0; row < pixels.length; row += width) {
      let [byte, free] = [0, 8];
      for (let x = 0; x < width; x++) {
        free -= bits;
        byte |= (palette.get(pixels[row + x]) ?? 0) << free;
        if (free > 0) continue;
        this.#byte(byte);
        [byte, free] = [0, 8];
      }
      if (free < 8) this.#byte(byte);
    }
  }

  /** A pixel and the length of its run less one, in bytes of which all but the last are 255. */
  #addRuns(pixels: Uint32Array): void {
    this.#byte(SUBENCODING_RLE);
    for (let from = 0; from < pixels.length; ) {
      let to = from + 1;
      while (to < pixels.length && pixels[to] === pixels[from]) to++;
      this.#pixel(pixels[from]);
      let length = to - from - 1;
      for (; length >= 255; length -= 255) this.#byte(255);
      this.#byte(length);
      from = to;
    }
  }

  #byte(value: number): void {
    this.#out[this.#length++] = value;
  }

  #pixel(pixel: number): void {
    this.#length = this.#writer.putCompact(pixel, this.#out, this.#length);
  }
}

/** The colours of a tile with their indices, in order; undefined for too many. */
function paletteOf(pixels: Uint32Array): Map<number, number> | undefined {
  const palette = new Map<number, number>();
  let last = -1;
  for (const pixel of pixels) {
    if (pixel === last) continue;
    last = pixel;
    if (palette.has(pixel)) continue;
    if (palette.size === PALETTE_MOST) return undefined;
    palette.set(pixel, palette.size);
  }
  return palette;
}

function countRuns(pixels: Uint32Array): number {
  let runs = 1;
  for (let i = 1; i < pixels.length; i++) if (pixels[i] !== pixels[i - 1]) runs++;
  return runs;
}
