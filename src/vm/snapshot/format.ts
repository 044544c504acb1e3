import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { deflate, inflate } from '../../base/deflate.ts';
import { Hash64 } from '../../base/hash64.ts';

/** Thrown for what is no saved machine that this version can read; the message says why in one line. */
export class SnapshotInvalid extends Error {}

/** Where a snapshot is read from. */
export interface SnapshotSource {
  readonly length: number;
  /** `length` bytes at `offset`, fewer at the end: at once where the host has them at hand. */
  read(offset: number, length: number): Uint8Array | Promise<Uint8Array>;
  close(): void;
}

/** Where a snapshot is written to. */
export interface SnapshotSink {
  append(bytes: Uint8Array): Promise<void>;
}

/** A way of compressing. */
export interface SnapshotCodec {
  readonly name: SnapshotCodecName;
  compress(bytes: Uint8Array): Promise<Uint8Array>;
  /** @param length how many bytes come out  @throws {Error} the data is damaged, now or later as a rejection */
  expand(bytes: Uint8Array, length: number): Uint8Array | Promise<Uint8Array>;
}

/** What stands for a codec in the file. */
const CODEC_NUMBERS = { deflate: 1, zstd: 2 } as const;
/** A way of compressing, by the word that asks for it. */
export type SnapshotCodecName = keyof typeof CODEC_NUMBERS;
/** All of them. */
export const SNAPSHOT_CODEC_NAMES = Object.keys(CODEC_NUMBERS) as readonly SnapshotCodecName[];

/** The codec that every host has (RFC 1951). */
export const deflateCodec: SnapshotCodec = {
  name: 'deflate',
  compress: (bytes) => deflate(new Uint8Array(bytes)),
  expand: (bytes) => inflate(new Uint8Array(bytes)),
};

/**
 * A snapshot is a file of pieces, each compressed by itself so that any can be read alone. Integers are little-endian.
 *
 * Header, 16 bytes: magic, u32 format version, u32 codec. Then the pieces. At the end a trailer of 48 bytes: the index's
 * piece (see {@link Piece}; u64 offset, u32 stored, u32 length, u64 hash), u64 length of the file, u64 hash of the trailer
 * up to here, magic. The index is JSON, see `SnapshotIndex`.
 */
export const MAGIC: Uint8Array = new TextEncoder().encode('VITRINE\x1a');
/** The format that is written and read. */
export const FORMAT_VERSION = 2;
/** Bytes of what stands before and behind the pieces. */
export const HEADER_BYTES = 16;
export const TRAILER_BYTES = 48;
const TRAILER_HASHED = 32;

/** Where a piece lies: its place and length in the file, what comes out of it, and the hash of what is stored. */
export interface Piece {
  readonly offset: number;
  readonly stored: number;
  readonly length: number;
  readonly hash: bigint;
}

/** What tells damaged bytes from whole ones. */
export function hashOf(bytes: Uint8Array): bigint {
  return new Hash64().add(bytes).value;
}

/** Appends a piece's place to a table. */
export function writePiece(writer: ByteWriter, { offset, stored, length, hash }: Piece): ByteWriter {
  return writer.u64(BigInt(offset)).u32(stored).u32(length).u64(hash);
}

/** Reads what {@link writePiece} wrote. */
export function readPiece(reader: ByteReader, at: number): Piece {
  return {
    offset: Number(reader.u64(at)),
    stored: reader.u32(at + 8),
    length: reader.u32(at + 12),
    hash: reader.u64(at + 16),
  };
}

/** Bytes of a piece's place. */
export const PIECE_BYTES = 24;

/** The header of a file whose pieces are compressed by a codec. */
export function makeHeader(codec: SnapshotCodec): Uint8Array {
  return new ByteWriter().append(MAGIC).u32(FORMAT_VERSION).u32(CODEC_NUMBERS[codec.name]).finish();
}

/** The trailer of a file. @param fileLength in bytes, with the trailer */
export function makeTrailer(index: Piece, fileLength: number): Uint8Array {
  const writer = writePiece(new ByteWriter(), index).u64(BigInt(fileLength));
  return writer.u64(hashOf(writer.finish())).append(MAGIC).finish();
}

/** Finds the codec that a file begins with the number of. @throws {SnapshotInvalid} */
export function readHeader(header: Uint8Array, codecs: readonly SnapshotCodec[]): SnapshotCodec {
  const known = Math.min(header.length, MAGIC.length);
  if (known === 0 || MAGIC.subarray(0, known).some((byte, i) => byte !== header[i])) {
    throw new SnapshotInvalid('this is not a saved machine');
  }
  if (header.length < HEADER_BYTES) throw new SnapshotInvalid('the saved machine is cut off in its header');
  const reader = new ByteReader(header);
  const version = reader.u32(8);
  if (version !== FORMAT_VERSION) {
    throw new SnapshotInvalid(`the saved machine has format ${version}; this version reads format ${FORMAT_VERSION}`);
  }
  const number = reader.u32(12);
  const codec = codecs.find(({ name }) => CODEC_NUMBERS[name] === number);
  if (codec) return codec;
  const name = Object.entries(CODEC_NUMBERS).find(([, value]) => value === number)?.[0] ?? `method ${number}`;
  throw new SnapshotInvalid(`the saved machine is compressed by ${name}, which this host cannot read`);
}

/** Reads the place of the index. @throws {SnapshotInvalid} */
export function readTrailer(trailer: Uint8Array, fileLength: number): Piece {
  const whole = trailer.length === TRAILER_BYTES;
  if (!whole || MAGIC.some((byte, i) => byte !== trailer[TRAILER_BYTES - MAGIC.length + i])) {
    throw new SnapshotInvalid('the saved machine is cut off, or something follows it');
  }
  const reader = new ByteReader(trailer);
  if (hashOf(trailer.slice(0, TRAILER_HASHED)) !== reader.u64(TRAILER_HASHED)) {
    throw new SnapshotInvalid('the saved machine is damaged: the checksum of its end is wrong');
  }
  const length = reader.u64(PIECE_BYTES);
  if (length !== BigInt(fileLength)) {
    throw new SnapshotInvalid(`the saved machine is cut off or joined: ${fileLength} bytes instead of ${length}`);
  }
  return readPiece(reader, 0);
}
