import { ByteReader } from '../bytes.ts';
import { crc32 } from '../checksums.ts';
import { toHex } from '../hex.ts';
import { VliReader } from './vli.ts';
import { XzInvalid } from './xz-invalid.ts';

// The .xz file format 1.2.1, sections 2 (Overall structure) and 4 (Index).

const HEADER_MAGIC = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00];
const HEADER_BYTES = 12;
const FOOTER_BYTES = 12;
const FOOTER_MAGIC = 0x5a59;
const ALIGNMENT = 4;
const CRC_BYTES = 4;
/** The flags that are not the kind of check. */
const RESERVED_FLAGS = 0xf0ff;

/** What the index says of a block. */
export interface XzBlock {
  /** Where it begins in the file. */
  readonly at: number;
  /** Its size without padding: header, compressed data and check. */
  readonly unpaddedBytes: number;
  /** Its size when decompressed. */
  readonly plainBytes: number;
  /** The ID of its check (section 2.1.1.2), 0 to 15. */
  readonly check: number;
}

/** Whether a file that begins with these bytes is an .xz file. */
export function isXz(bytes: Uint8Array): boolean {
  return HEADER_MAGIC.every((byte, i) => bytes[i] === byte);
}

/** Rounds up to what everything in the file is a multiple of. */
export function aligned(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

/** Lists the blocks of all streams of a file, first to last, and decompresses nothing. They follow each other with
 * nothing but headers, indexes and padding between them, but their headers have not been looked at.
 * @throws {XzInvalid} */
export function findBlocks(bytes: Uint8Array): XzBlock[] {
  if (!isXz(bytes))
    throw new XzInvalid(`it begins with ${toHex(bytes.subarray(0, 6), ' ') || 'nothing'}, not as an .xz file does`);
  if (bytes.length % ALIGNMENT !== 0) throw new XzInvalid(`it is cut off: ${bytes.length} bytes are no whole words`);
  const reader = new ByteReader(bytes);
  const streams: XzBlock[][] = [];
  for (let end = bytes.length; end > 0; ) {
    const stream = readStream(reader, withoutPadding(bytes, end));
    streams.push(stream.blocks);
    end = stream.start;
  }
  return streams.reverse().flat();
}

function withoutPadding(bytes: Uint8Array, end: number): number {
  let at = end;
  while (at > 0 && bytes[at - 1] === 0) at--;
  return aligned(at);
}

/** Reads the stream that ends at `end`, from its footer on backwards (sections 2.1.1 and 2.1.2). */
function readStream(reader: ByteReader, end: number): { readonly start: number; readonly blocks: XzBlock[] } {
  const footer = end - FOOTER_BYTES;
  if (footer < HEADER_BYTES || reader.u16(end - 2) !== FOOTER_MAGIC)
    throw new XzInvalid('it is cut off, or goes on behind its end: no stream footer is there');
  checkCrc(reader, footer + CRC_BYTES, 6, footer, 'the stream footer');
  const index = footer - (reader.u32(footer + 4) + 1) * ALIGNMENT;
  if (index < HEADER_BYTES) throw new XzInvalid('its index begins before the file');
  const flags = reader.u16(footer + 8);
  if (flags & RESERVED_FLAGS) throw new XzInvalid(`its stream flags ${flags.toString(16)} are reserved ones`);
  checkCrc(reader, index, footer - CRC_BYTES - index, footer - CRC_BYTES, 'the index');
  const blocks = readIndex(reader.slice(index, footer - CRC_BYTES - index), index, flags >> 8);
  const start = (blocks[0]?.at ?? index) - HEADER_BYTES;
  if (!isXz(reader.slice(start, HEADER_BYTES))) throw new XzInvalid('no stream header is where the index has it');
  checkCrc(reader, start + HEADER_MAGIC.length, 2, start + HEADER_MAGIC.length + 2, 'the stream header');
  if (reader.u16(start + HEADER_MAGIC.length) !== flags)
    throw new XzInvalid('the flags of stream header and stream footer differ');
  return { start, blocks };
}

/** @param end where the blocks end and the index begins  @returns blocks that begin behind room for a stream header */
function readIndex(index: Uint8Array, end: number, check: number): XzBlock[] {
  const reader = new VliReader(index, 'the index');
  if (reader.byte() !== 0) throw new XzInvalid('no index is where the stream footer has it');
  const records: { readonly unpaddedBytes: number; readonly plainBytes: number }[] = [];
  let room = end - HEADER_BYTES;
  for (let left = reader.vli(); left > 0; left--) {
    const [unpaddedBytes, plainBytes] = [reader.vli(), reader.vli()];
    room -= aligned(unpaddedBytes);
    if (unpaddedBytes === 0 || room < 0) throw new XzInvalid(`the index has a block of ${unpaddedBytes} bytes`);
    records.push({ unpaddedBytes, plainBytes });
  }
  if (aligned(reader.at) !== index.length) throw new XzInvalid('the index is not as long as the stream footer says');
  reader.zeros();
  let at = HEADER_BYTES + room;
  return records.map((record) => {
    const block = { ...record, at, check };
    at += aligned(record.unpaddedBytes);
    return block;
  });
}

/** @throws {XzInvalid} the CRC-32 of the bytes is another one than that at `crcAt` */
export function checkCrc(reader: ByteReader, from: number, length: number, crcAt: number, what: string): void {
  if (crc32(reader.slice(from, length)) !== reader.u32(crcAt)) throw new XzInvalid(`the CRC-32 of ${what} is wrong`);
}
