import { ByteWriter, concatenate } from '../../base/bytes.ts';
import { type Compression, type Extent, type ImageDriver, type ImageFile, RequestRefused } from '../interfaces.ts';
import { AT_END, ENTRIES_PER_TABLE, encodeSparseHeader, MARKER, SECTOR_BYTES, type SparseHeader } from './header.ts';

/** Writes a stream-optimized extent: compressed grains in the order of the disk, their tables, and a footer that says
 * where the directory is. Nothing is read or written twice. */
export class VmdkStreamWriter implements ImageDriver {
  readonly format = 'vmdk';
  readonly readOnly = false;
  readonly facts = {};
  readonly clusterBytes: number;
  readonly sizeBytes: number;
  readonly #file: ImageFile;
  readonly #header: SparseHeader;
  readonly #compression: Compression;
  readonly #entries: Uint32Array;
  #end: number;
  #next = 0;

  /** @param end where the first grain goes: behind header and descriptor */
  constructor(file: ImageFile, header: SparseHeader, end: number, compression: Compression) {
    this.#file = file;
    this.#header = header;
    this.#compression = compression;
    this.clusterBytes = header.grainBytes;
    this.sizeBytes = header.sizeBytes;
    this.#end = end;
    const tables = Math.ceil(header.sizeBytes / (header.grainBytes * ENTRIES_PER_TABLE));
    this.#entries = new Uint32Array(tables * ENTRIES_PER_TABLE);
  }

  /** Writes whole grains, in ascending order. @throws {RequestRefused} otherwise */
  async write(offset: number, source: Uint8Array): Promise<void> {
    for (let at = 0; at < source.length; at += this.clusterBytes) {
      await this.writeCompressed(offset + at, source.subarray(at, at + this.clusterBytes));
    }
  }

  async writeCompressed(offset: number, cluster: Uint8Array): Promise<void> {
    if (offset % this.clusterBytes !== 0 || offset < this.#next) {
      throw new RequestRefused('a stream-optimized image is written in whole grains from beginning to end');
    }
    this.#next = offset + this.clusterBytes;
    const grain = new Uint8Array(this.clusterBytes);
    grain.set(cluster);
    const packed = await this.#compression.compress('zlib', grain);
    this.#entries[offset / this.clusterBytes] = this.#end / SECTOR_BYTES;
    await this.#append(
      new ByteWriter()
        .u64(BigInt(offset / SECTOR_BYTES))
        .u32(packed.length)
        .append(packed)
        .align(SECTOR_BYTES)
        .finish(),
    );
  }

  /** Nothing: what is not written is zeros. */
  async writeZeros(): Promise<void> {}

  async discard(): Promise<void> {}

  async flush(): Promise<void> {}

  async read(): Promise<void> {
    throw new RequestRefused('a stream-optimized image cannot be read while it is written');
  }

  async extent(_offset: number, length: number): Promise<Extent> {
    return { kind: 'absent', length };
  }

  async close(): Promise<void> {
    try {
      await this.#finish();
      await this.#file.flush();
    } finally {
      await this.#file.close();
    }
  }

  async #finish(): Promise<void> {
    const directory: number[] = [];
    for (let first = 0; first < this.#entries.length; first += ENTRIES_PER_TABLE) {
      const table = this.#entries.slice(first, first + ENTRIES_PER_TABLE);
      const isEmpty = table.every((entry) => entry === 0);
      directory.push(isEmpty ? 0 : this.#end / SECTOR_BYTES + 1);
      if (!isEmpty) await this.#append(withMarker(MARKER.grainTable, new Uint8Array(table.buffer)));
    }
    const directoryStart = this.#end + SECTOR_BYTES;
    await this.#append(withMarker(MARKER.grainDirectory, new Uint8Array(Uint32Array.from(directory).buffer)));
    const footer = encodeSparseHeader(this.#header, BigInt(directoryStart / SECTOR_BYTES));
    await this.#append(withMarker(MARKER.footer, footer));
    await this.#append(new Uint8Array(SECTOR_BYTES));
    await this.#file.write(0, encodeSparseHeader(this.#header, AT_END));
  }

  async #append(bytes: Uint8Array): Promise<void> {
    await this.#file.write(this.#end, bytes);
    this.#end += bytes.length;
  }
}

/** Metadata in a stream: a sector that says how long and of which kind it is, and then whole sectors of it. */
function withMarker(kind: number, content: Uint8Array): Uint8Array {
  const padded = new ByteWriter().append(content).align(SECTOR_BYTES).finish();
  const marker = new ByteWriter()
    .u64(BigInt(padded.length / SECTOR_BYTES))
    .u32(0)
    .u32(kind)
    .align(SECTOR_BYTES);
  return concatenate([marker.finish(), padded]);
}
