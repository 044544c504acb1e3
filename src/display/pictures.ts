import { concatenate } from '../base/bytes.ts';
import { adler32, crc32 } from '../base/checksums.ts';
import { deflate } from '../base/deflate.ts';
import type { Frame } from './interfaces.ts';

const PNG_SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const PNG_BIT_DEPTH = 8;
const PNG_TRUECOLOR = 2;
const PNG_FILTER_UP = 2;
const ZLIB_HEADER = [0x78, 0x9c];
const RGB = 3;

/** Writes a picture as PNG (W3C PNG, second edition), without its alpha channel. */
export async function encodePng(frame: Frame): Promise<Uint8Array<ArrayBuffer>> {
  const { width, height } = frame;
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([PNG_BIT_DEPTH, PNG_TRUECOLOR], 8);
  const rows = filteredRows(frame);
  const check = new Uint8Array(4);
  new DataView(check.buffer).setUint32(0, adler32(rows));
  const data = concatenate([Uint8Array.from(ZLIB_HEADER), await deflate(rows), check]);
  return concatenate([
    Uint8Array.from(PNG_SIGNATURE),
    chunk('IHDR', header),
    chunk('IDAT', data),
    chunk('IEND', new Uint8Array(0)),
  ]);
}

/** Writes a picture as binary PPM (Netpbm's P6). */
export function encodePpm(frame: Frame): Uint8Array<ArrayBuffer> {
  const header = new TextEncoder().encode(`P6\n${frame.width} ${frame.height}\n255\n`);
  return concatenate([header, rgbBytes(frame)]);
}

/** Each row as its difference to the one above, which leaves much of a screen zero. */
function filteredRows(frame: Frame): Uint8Array<ArrayBuffer> {
  const { width, height } = frame;
  const rgb = rgbBytes(frame);
  const rowBytes = width * RGB;
  const rows = new Uint8Array(height * (1 + rowBytes));
  for (let y = 0; y < height; y++) {
    const [from, to] = [y * rowBytes, y * (1 + rowBytes)];
    rows[to] = PNG_FILTER_UP;
    for (let i = 0; i < rowBytes; i++) rows[to + 1 + i] = rgb[from + i] - (y > 0 ? rgb[from + i - rowBytes] : 0);
  }
  return rows;
}

function rgbBytes({ pixels }: Frame): Uint8Array {
  const bytes = new Uint8Array(pixels.length * RGB);
  for (let i = 0, at = 0; i < pixels.length; i++) {
    const pixel = pixels[i];
    bytes[at++] = pixel;
    bytes[at++] = pixel >>> 8;
    bytes[at++] = pixel >>> 16;
  }
  return bytes;
}

function chunk(type: string, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(12 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set(new TextEncoder().encode(type), 4);
  bytes.set(data, 8);
  view.setUint32(8 + data.length, crc32(bytes.subarray(4, 8 + data.length)));
  return bytes;
}
