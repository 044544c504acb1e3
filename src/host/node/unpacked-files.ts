import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import type { UnpackedStore } from '../../vm/config.ts';
import { cacheFolder } from './cache-folder.ts';
import { CachedFiles } from './cached-files.ts';

/** Files that are kept: some 15 MB each for Debian's kernels. */
const MOST_FILES = 4;
const CHECKED = { params: { [zlib.constants.ZSTD_c_checksumFlag]: 1 } };

const compress = promisify<Uint8Array, zlib.ZstdOptions, Uint8Array>(zlib.zstdCompress);
const decompress = promisify<Uint8Array, Uint8Array<ArrayBuffer>>(zlib.zstdDecompress);

/** What was unpacked with some pains, in files of the user's cache, packed in a way that unpacks easily. */
export class UnpackedFiles implements UnpackedStore {
  readonly #files: CachedFiles;

  constructor(folder: string = join(cacheFolder(), 'unpacked')) {
    this.#files = new CachedFiles(folder, MOST_FILES);
  }

  async load(packed: Uint8Array): Promise<Uint8Array | undefined> {
    const kept = this.#files.load(nameOf(packed));
    return kept && (await decompress(kept).catch(() => undefined));
  }

  save(packed: Uint8Array, unpacked: Uint8Array): void {
    const name = nameOf(packed);
    compress(unpacked, CHECKED).then(
      (bytes) => this.#files.save(name, bytes),
      () => {}, // it is unpacked again
    );
  }
}

function nameOf(packed: Uint8Array): string {
  return `${createHash('sha256').update(packed).digest('hex')}.zst`;
}
