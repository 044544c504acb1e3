import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { zstdFrameLength } from '../../base/zstd-frame.ts';
import type { UnpackedStore, UnpackZstd } from '../../vm/config.ts';
import { cacheFolder } from './cache-folder.ts';
import { CachedFiles } from './cached-files.ts';

/** Files that are kept: some 15 MB each for Debian's kernels. */
const MOST_FILES = 4;
const CHECKED = { params: { [zlib.constants.ZSTD_c_checksumFlag]: 1 } };
/** Pieces are joined in the end. */
const IN_FEW_PIECES = { chunkSize: 16 << 20 };

const compress = promisify<Uint8Array, zlib.ZstdOptions, Uint8Array>(zlib.zstdCompress);
const decompress = promisify<Uint8Array, zlib.ZstdOptions, Uint8Array>(zlib.zstdDecompress);

/** Zstandard (RFC 8878), in another thread. */
export const unpackZstd: UnpackZstd = (bytes, mostBytes) =>
  decompress(bytes.subarray(0, zstdFrameLength(bytes)), { ...IN_FEW_PIECES, maxOutputLength: mostBytes });

/** What was unpacked with some pains, in files of the user's cache, packed in a way that unpacks easily. */
export class UnpackedFiles implements UnpackedStore {
  readonly #files: CachedFiles;

  constructor(folder: string = join(cacheFolder(), 'unpacked')) {
    this.#files = new CachedFiles(folder, MOST_FILES);
  }

  async get(packed: Uint8Array, unpack: () => Promise<Uint8Array>): Promise<Uint8Array> {
    const name = `${createHash('sha256').update(packed).digest('hex')}.zst`;
    const kept = this.#files.load(name);
    const known = kept && (await decompress(kept, IN_FEW_PIECES).catch(() => undefined));
    if (known !== undefined) return known;
    const unpacked = await unpack();
    compress(unpacked, CHECKED).then(
      (bytes) => this.#files.save(name, bytes),
      () => {}, // it is unpacked again
    );
    return unpacked;
  }
}
