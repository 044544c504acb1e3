import { closeSync, fstatSync, openSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import { constants, type ZstdOptions, zstdCompress, zstdDecompress, zstdDecompressSync } from 'node:zlib';
import type { SnapshotCodec, SnapshotSink, SnapshotSource } from '../../vm/snapshot/format.ts';
import { readAt } from './read-at.ts';

/** The least that zlib takes as the size of its pieces. With one piece for everything nothing is joined. */
const LEAST_CHUNK_BYTES = 64;
/** What takes longer to expand than another thread to begin with it. */
const EXPANDED_ASIDE_BYTES = 1 << 20;
/** Quick: what a machine's memory takes more than at the level that is usual is little. */
const LEVEL = 1;

const expandAside = promisify<Uint8Array, ZstdOptions, Uint8Array>(zstdDecompress);
const compress = promisify<Uint8Array, ZstdOptions, Uint8Array>(zstdCompress);

/** Zstandard (RFC 8878). */
export const zstdCodec: SnapshotCodec = {
  name: 'zstd',
  compress: (bytes) => compress(bytes, { params: { [constants.ZSTD_c_compressionLevel]: LEVEL } }),
  expand(bytes, length) {
    const options = { maxOutputLength: Math.max(1, length), chunkSize: Math.max(LEAST_CHUNK_BYTES, length) };
    if (length >= EXPANDED_ASIDE_BYTES) return expandAside(bytes, options).then(plain);
    return plain(zstdDecompressSync(bytes, options));
  },
};

/** Bytes as every host has them: slices of a Buffer share its memory. */
function plain({ buffer, byteOffset, byteLength }: Uint8Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** A snapshot in a file, read in this thread: what is touched again and again lies in the host's memory. */
export class SnapshotFileSource implements SnapshotSource {
  readonly length: number;
  readonly #file: number;

  /** @throws {Error} the file cannot be read */
  constructor(path: string) {
    this.#file = openSync(path, 'r');
    const found = fstatSync(this.#file);
    if (!found.isFile()) throw Object.assign(new Error('not a file'), { code: 'EISDIR' });
    this.length = found.size;
  }

  read(offset: number, length: number): Uint8Array {
    return readAt(this.#file, offset, Math.min(length, Math.max(0, this.length - offset)));
  }

  close(): void {
    closeSync(this.#file);
  }
}

/**
 * Writes a snapshot's file whole or not at all: under another name, which it gets when all of it is on stable storage.
 * @param write fills it  @returns its length
 * @throws {Error} the file cannot be written; one that was there is as it was
 */
export async function writeSnapshotFile(path: string, write: (sink: SnapshotSink) => Promise<void>): Promise<number> {
  const part = `${path}.${process.pid}-${crypto.randomUUID().slice(0, 8)}.part`;
  const file = await open(part, 'wx', 0o600);
  let length = 0;
  const append = async (bytes: Uint8Array) => {
    length += bytes.length;
    for (let done = 0; done < bytes.length; ) done += (await file.write(bytes, done)).bytesWritten;
  };
  try {
    await write({ append });
    await file.datasync();
    await file.close();
    await rename(part, path);
    return length;
  } catch (error) {
    await file.close().catch(() => {});
    await rm(part, { force: true });
    throw error;
  }
}
