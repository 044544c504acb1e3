import { type Compression, type ImageFile, ImageInvalid } from '../interfaces.ts';
import type { Qcow2Header } from './header.ts';

/** Where compressed data is: `length` bytes hold it and perhaps something after it. */
export interface CompressedPlace {
  readonly offset: number;
  readonly length: number;
}

/** Expands compressed clusters; the last one is kept, since small reads mostly follow one another. */
export class CompressedClusters {
  readonly #file: ImageFile;
  readonly #clusterBytes: number;
  readonly #compression: Compression;
  readonly #codec: 'deflate' | 'zstd';
  #lastOffset = -1;
  #last: Promise<Uint8Array> | undefined;

  constructor(file: ImageFile, header: Qcow2Header, compression: Compression) {
    this.#file = file;
    this.#clusterBytes = 2 ** header.clusterBits;
    this.#compression = compression;
    this.#codec = header.compression === 'zstd' ? 'zstd' : 'deflate';
  }

  /** @returns the whole cluster  @throws {ImageInvalid} the data is damaged */
  read(place: CompressedPlace): Promise<Uint8Array> {
    if (this.#last === undefined || this.#lastOffset !== place.offset) {
      this.#lastOffset = place.offset;
      this.#last = this.#expand(place);
    }
    return this.#last;
  }

  /** Forgets the last cluster: its place may be used for something else. */
  forget(): void {
    this.#last = undefined;
  }

  /** @returns the compressed bytes, or undefined where they are no fewer */
  async compress(cluster: Uint8Array): Promise<Uint8Array | undefined> {
    const bytes = await this.#compression.compress(this.#codec, cluster);
    return bytes.length < this.#clusterBytes ? bytes : undefined;
  }

  async #expand({ offset, length }: CompressedPlace): Promise<Uint8Array> {
    const packed = new Uint8Array(length);
    await this.#file.read(offset, packed);
    try {
      const cluster = await this.#compression.expand(this.#codec, packed, this.#clusterBytes);
      if (cluster.length === this.#clusterBytes) return cluster;
    } catch (error) {
      throw this.#damaged(offset, error);
    }
    throw this.#damaged(offset);
  }

  #damaged(offset: number, cause?: unknown): ImageInvalid {
    this.forget();
    const damaged = new ImageInvalid(this.#file.name, `the compressed cluster at ${offset} is damaged`);
    return Object.assign(damaged, { cause });
  }
}
