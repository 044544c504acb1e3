import { LzmaDecoder } from './lzma.ts';
import { XzInvalid } from './xz-invalid.ts';

// The .xz file format, section 5.3.1 (LZMA2); its chunks are as the LZMA SDK has them.

/** The first byte of a chunk: its kind, or the bits of a packed one. */
const CONTROL = { end: 0, plainWithReset: 1, plain: 2, packed: 0x80 } as const;
/** What a packed chunk resets before it, in bits 5 and 6 of its first byte; each resets what the ones before it do. */
const RESET = { state: 1, properties: 2, dictionary: 3 } as const;
const PLAIN_HEADER_BYTES = 3;
const PACKED_HEADER_BYTES = 5;
const MOST_PACKED_BYTES = 1 << 16;

/** Where the chunks of a block are. */
export interface Lzma2Data {
  readonly bytes: Uint8Array;
  /** Where the first one begins, and what the last one may not go beyond. */
  readonly from: number;
  readonly end: number;
}

/** One chunk. */
interface Chunk {
  readonly packed: boolean;
  /** One of {@link RESET}, or 0. */
  readonly reset: number;
  /** The byte of lc, lp and pb, where they are reset. */
  readonly properties: number;
  /** Where its data begin, and where the next chunk does. */
  readonly from: number;
  readonly next: number;
  /** The size of its data when decompressed. */
  readonly plainBytes: number;
}

/** Goes through the headers of all chunks, and decompresses nothing.
 * @returns the decompressed size, and where the data end
 * @throws {XzInvalid} they do not end before `data.end` */
export function measureLzma2(data: Lzma2Data): { readonly plainBytes: number; readonly next: number } {
  let plainBytes = 0;
  let at = data.from;
  for (let chunk = readChunk(data, at); chunk; chunk = readChunk(data, at)) {
    plainBytes += chunk.plainBytes;
    at = chunk.next;
  }
  return { plainBytes, next: at + 1 };
}

/** What {@link decodeLzma2} takes: one serves for any number of blocks. */
export function lzma2Decoder(): LzmaDecoder {
  return new LzmaDecoder(MOST_PACKED_BYTES);
}

/** Decompresses all chunks.
 * @param target as long as {@link measureLzma2} says
 * @param dictionaryBytes how far back matches may reach
 * @param turn awaited before each chunk
 * @throws {XzInvalid} */
export async function decodeLzma2(
  decoder: LzmaDecoder,
  data: Lzma2Data,
  target: Uint8Array,
  dictionaryBytes: number,
  turn?: () => Promise<void>,
): Promise<void> {
  let needed: number = RESET.dictionary;
  let done = 0;
  let at = data.from;
  for (let chunk = readChunk(data, at); chunk; chunk = readChunk(data, at)) {
    if (turn) await turn();
    if (chunk.packed ? chunk.reset < needed : chunk.reset === 0 && needed === RESET.dictionary)
      throw new XzInvalid('an LZMA2 chunk goes on from what no chunk before it began');
    if (chunk.reset === RESET.dictionary) decoder.setWindow(target.subarray(done), dictionaryBytes);
    if (chunk.packed) needed = 0;
    else if (chunk.reset !== 0) needed = RESET.properties;
    decodeChunk(decoder, data.bytes, chunk);
    done += chunk.plainBytes;
    at = chunk.next;
  }
}

function decodeChunk(decoder: LzmaDecoder, bytes: Uint8Array, { packed, reset, ...chunk }: Chunk): void {
  const content = bytes.subarray(chunk.from, chunk.next);
  if (!packed) {
    decoder.append(content);
    return;
  }
  if (reset >= RESET.properties) decoder.setProperties(chunk.properties);
  if (reset >= RESET.state) decoder.resetState();
  decoder.decode(content, chunk.plainBytes);
}

/** @returns undefined at the end of the chunks */
function readChunk({ bytes, end }: Lzma2Data, at: number): Chunk | undefined {
  const control = at < end ? bytes[at] : CONTROL.end;
  const packed = control >= CONTROL.packed;
  if (!packed && control > CONTROL.plain) throw new XzInvalid(`an LZMA2 chunk begins with ${control}`);
  const reset = packed ? (control >> 5) & 3 : control === CONTROL.plainWithReset ? RESET.dictionary : 0;
  const hasProperties = packed && reset >= RESET.properties;
  const from = at + (packed ? PACKED_HEADER_BYTES : PLAIN_HEADER_BYTES) + (hasProperties ? 1 : 0);
  if (at >= end || (control !== CONTROL.end && from > end)) throw new XzInvalid('the LZMA2 data are cut off');
  if (control === CONTROL.end) return undefined;
  const size = ((bytes[at + 1] << 8) | bytes[at + 2]) + 1;
  const plainBytes = packed ? ((control & 0x1f) << 16) + size : size;
  const next = from + (packed ? ((bytes[at + 3] << 8) | bytes[at + 4]) + 1 : size);
  if (next > end) throw new XzInvalid('the LZMA2 data are cut off');
  return { packed, reset, properties: hasProperties ? bytes[from - 1] : 0, from, next, plainBytes };
}
