import type { BackingImage } from './backing.ts';
import type { Extent, ImageDriver, ImageFacts, ImageFile } from './interfaces.ts';
import { Mutex } from './mutex.ts';

/** Where a block of the disk is: an offset in the file, known to be zeros, or not in this image. */
export type BlockPlace = number | 'zero' | 'absent';

/** The table of an image format that maps blocks of one size to places in a file. */
export interface BlockTable {
  readonly format: string;
  readonly sizeBytes: number;
  readonly blockBytes: number;
  readonly facts: ImageFacts;
  /** Bytes before each block's data that belong to the block. */
  readonly blockHeader?: Uint8Array;
  find(block: number): Promise<BlockPlace>;
  /** Where the data of the next new block goes, with its header right before; the place is taken. */
  allocate(): Promise<number>;
  /** Says in memory where a block is. */
  put(block: number, offset: number): Promise<void>;
  /** Whether {@link writeChanges} has anything to do. */
  readonly isDirty: boolean;
  /** Writes what {@link put} changed; the blocks are durable. */
  writeChanges(): Promise<void>;
  /** Reads a compressed block. */
  readCompressed?(block: number, target: Uint8Array, within: number): Promise<void>;
}

/** An image of a format that maps whole blocks by one table. New blocks go to the end of the file, and the table follows
 * when they are durable, so that a crash loses no more than was not flushed. */
export class MappedImage implements ImageDriver {
  readonly backing: BackingImage | undefined;
  readonly #file: ImageFile;
  readonly #table: BlockTable;
  readonly #readOnly: boolean;
  readonly #mutex = new Mutex();

  /** @param readOnly the format is only read, whatever the file allows */
  constructor(file: ImageFile, table: BlockTable, backing?: BackingImage, readOnly = false) {
    this.#file = file;
    this.#table = table;
    this.#readOnly = readOnly;
    this.backing = backing;
  }

  get format(): string {
    return this.#table.format;
  }

  get sizeBytes(): number {
    return this.#table.sizeBytes;
  }

  get readOnly(): boolean {
    return this.#readOnly || this.#file.readOnly;
  }

  get clusterBytes(): number {
    return this.#table.blockBytes;
  }

  get facts(): ImageFacts {
    return this.#table.facts;
  }

  async read(offset: number, target: Uint8Array): Promise<void> {
    for (const { block, within, at, length } of this.#pieces(offset, target.length)) {
      await this.#readPart(block, within, target.subarray(at, at + length));
    }
  }

  async write(offset: number, source: Uint8Array): Promise<void> {
    for (const { block, within, at, length } of this.#pieces(offset, source.length)) {
      await this.#writePart(block, within, source.subarray(at, at + length));
    }
  }

  async writeZeros(offset: number, length: number): Promise<void> {
    for (const piece of this.#pieces(offset, length)) {
      const place = await this.#table.find(piece.block);
      const isZero = place === 'zero' || (place === 'absent' && this.backing === undefined);
      if (!isZero) await this.#writePart(piece.block, piece.within, new Uint8Array(piece.length));
    }
  }

  /** Changes nothing: these formats have no way to give blocks back. */
  async discard(): Promise<void> {}

  async extent(offset: number, length: number): Promise<Extent> {
    const { blockBytes } = this.#table;
    const within = offset % blockBytes;
    const part = Math.min(length, blockBytes - within);
    const place = await this.#table.find(Math.floor(offset / blockBytes));
    if (typeof place !== 'number') return { kind: place, length: part };
    if (this.#table.readCompressed !== undefined) return { kind: 'data', length: part, compressed: true };
    return { kind: 'data', length: part, fileOffset: place + within };
  }

  flush(): Promise<void> {
    return this.#mutex.run(async () => {
      await this.#file.flush();
      if (!this.#table.isDirty) return;
      await this.#table.writeChanges();
      await this.#file.flush();
    });
  }

  async close(): Promise<void> {
    try {
      if (!this.readOnly) await this.flush();
    } finally {
      await this.#file.close();
      await this.backing?.close();
    }
  }

  *#pieces(offset: number, length: number) {
    const { blockBytes } = this.#table;
    for (let at = 0; at < length; ) {
      const within = (offset + at) % blockBytes;
      const part = Math.min(blockBytes - within, length - at);
      yield { block: Math.floor((offset + at) / blockBytes), within, at, length: part };
      at += part;
    }
  }

  async #readPart(block: number, within: number, target: Uint8Array): Promise<void> {
    const place = await this.#table.find(block);
    if (typeof place === 'number') {
      if (this.#table.readCompressed) return this.#table.readCompressed(block, target, within);
      return this.#file.read(place + within, target);
    }
    if (place === 'absent' && this.backing) return this.backing.read(block * this.#table.blockBytes + within, target);
    target.fill(0);
  }

  async #writePart(block: number, within: number, source: Uint8Array): Promise<void> {
    const place = await this.#table.find(block);
    if (typeof place === 'number') return this.#file.write(place + within, source);
    const offset = await this.#mutex.run(() => this.#table.allocate());
    const { blockHeader, blockBytes } = this.#table;
    if (blockHeader) await this.#file.write(offset - blockHeader.length, blockHeader);
    const bytes = place === 'absent' && this.backing ? new Uint8Array(blockBytes) : undefined;
    if (bytes) {
      await this.backing?.read(block * blockBytes, bytes);
      bytes.set(source, within);
    }
    await (bytes ? this.#file.write(offset, bytes) : this.#file.write(offset + within, source));
    await this.#mutex.run(() => this.#table.put(block, offset));
  }
}

/** A table of 32-bit entries, the whole of it in memory, and which of them differ from the file. */
export class EntryTable32 {
  readonly #view: DataView;
  readonly #littleEndian: boolean;
  readonly #offset: number;
  #dirtyStart = Number.POSITIVE_INFINITY;
  #dirtyEnd = 0;

  constructor(bytes: Uint8Array<ArrayBuffer>, offset: number, littleEndian: boolean) {
    this.#view = new DataView(bytes.buffer);
    this.#offset = offset;
    this.#littleEndian = littleEndian;
  }

  /** Reads a table from a place that was checked to lie inside the file. */
  static async read(file: ImageFile, offset: number, entries: number, littleEndian: boolean): Promise<EntryTable32> {
    const bytes = new Uint8Array(entries * 4);
    await file.read(offset, bytes);
    return new EntryTable32(bytes, offset, littleEndian);
  }

  get length(): number {
    return this.#view.byteLength / 4;
  }

  get isDirty(): boolean {
    return this.#dirtyEnd > 0;
  }

  get(index: number): number {
    return this.#view.getUint32(index * 4, this.#littleEndian);
  }

  set(index: number, value: number): void {
    this.#view.setUint32(index * 4, value, this.#littleEndian);
    this.#dirtyStart = Math.min(this.#dirtyStart, index * 4);
    this.#dirtyEnd = Math.max(this.#dirtyEnd, index * 4 + 4);
  }

  /** Writes the entries from the first to the last that changed. */
  async write(file: ImageFile): Promise<void> {
    if (!this.isDirty) return;
    const changed = new Uint8Array(this.#view.buffer as ArrayBuffer).slice(this.#dirtyStart, this.#dirtyEnd);
    const offset = this.#offset + this.#dirtyStart;
    this.#dirtyStart = Number.POSITIVE_INFINITY;
    this.#dirtyEnd = 0;
    await file.write(offset, changed);
  }
}
