import { type Compression, type ImageFile, ImageInvalid, RequestRefused } from '../interfaces.ts';
import { type BlockPlace, type BlockTable, EntryTable32 } from '../mapped-image.ts';
import { ENTRIES_PER_TABLE, SECTOR_BYTES, type SparseHeader } from './header.ts';

const GRAIN_MARKER_BYTES = 12;
const TABLE_BYTES = ENTRIES_PER_TABLE * 4;
const MAX_LOADED_TABLES = 4096;

/** The two levels of tables of a sparse extent, and their second copy where there is one. */
export class GrainTables implements BlockTable {
  readonly format = 'vmdk';
  readonly blockBytes: number;
  readonly sizeBytes: number;
  readonly facts;
  readonly readCompressed?: (block: number, target: Uint8Array, within: number) => Promise<void>;
  readonly #file: ImageFile;
  readonly #header: SparseHeader;
  readonly #directories: readonly EntryTable32[];
  readonly #compression: Compression;
  /** By the number of their entry in the directory; the copies of one table lie together. */
  readonly #tables = new Map<number, readonly EntryTable32[]>();
  readonly #changed = new Set<EntryTable32>();
  #end: number;

  private constructor(
    file: ImageFile,
    header: SparseHeader,
    directories: readonly EntryTable32[],
    compression: Compression,
    createType: string,
  ) {
    this.#file = file;
    this.#header = header;
    this.#directories = directories;
    this.#compression = compression;
    this.blockBytes = header.grainBytes;
    this.sizeBytes = header.sizeBytes;
    this.facts = {
      clusterBytes: header.grainBytes,
      compressed: header.compressed,
      specific: { 'create type': createType },
    };
    this.#end = Math.ceil(file.sizeBytes / header.grainBytes) * header.grainBytes;
    if (header.compressed) this.readCompressed = (block, target, within) => this.#expand(block, target, within);
  }

  static async load(file: ImageFile, header: SparseHeader, compression: Compression, createType: string) {
    const count = Math.ceil(header.sizeBytes / (header.grainBytes * ENTRIES_PER_TABLE));
    const places = [header.directoryOffset, ...(header.redundantOffset === undefined ? [] : [header.redundantOffset])];
    const directories: EntryTable32[] = [];
    for (const offset of places) {
      if (offset + count * 4 > file.sizeBytes) throw new ImageInvalid(file.name, 'its grain directory is cut off');
      directories.push(await EntryTable32.read(file, offset, count, true));
    }
    return new GrainTables(file, header, directories, compression, createType);
  }

  get isDirty(): boolean {
    return this.#changed.size > 0;
  }

  async find(block: number): Promise<BlockPlace> {
    const [table] = await this.#load(Math.floor(block / ENTRIES_PER_TABLE));
    const entry = table?.get(block % ENTRIES_PER_TABLE) ?? 0;
    if (entry === 0) return 'absent';
    if (entry === 1 && this.#header.zeroGrains) return 'zero';
    const offset = entry * SECTOR_BYTES;
    if (offset >= this.#file.sizeBytes)
      throw new ImageInvalid(this.#file.name, `its grain ${block} lies outside the file`);
    return offset;
  }

  async allocate(): Promise<number> {
    if (this.#header.compressed) throw new RequestRefused('a stream-optimized image is only read');
    const offset = this.#end;
    this.#end += this.blockBytes;
    await this.#file.truncate(Math.max(this.#file.sizeBytes, this.#end));
    return offset;
  }

  async put(block: number, offset: number): Promise<void> {
    const tables = await this.#load(Math.floor(block / ENTRIES_PER_TABLE));
    if (tables.length === 0) throw new ImageInvalid(this.#file.name, 'it has no grain table for this part of the disk');
    for (const table of tables) {
      table.set(block % ENTRIES_PER_TABLE, offset / SECTOR_BYTES);
      this.#changed.add(table);
    }
  }

  async writeChanges(): Promise<void> {
    for (const table of this.#changed) await table.write(this.#file);
    this.#changed.clear();
  }

  async #load(index: number): Promise<readonly EntryTable32[]> {
    const known = this.#tables.get(index);
    if (known !== undefined) return known;
    const places = this.#directories
      .map((directory) => directory.get(index) * SECTOR_BYTES)
      .filter((place) => place > 0);
    const tables: EntryTable32[] = [];
    for (const offset of places) {
      if (offset + TABLE_BYTES > this.#file.sizeBytes) {
        throw new ImageInvalid(this.#file.name, `its grain table ${index} lies outside the file`);
      }
      tables.push(await EntryTable32.read(this.#file, offset, ENTRIES_PER_TABLE, true));
    }
    const loaded = this.#tables.get(index) ?? tables;
    this.#forgetSome();
    this.#tables.set(index, loaded);
    return loaded;
  }

  #forgetSome(): void {
    if (this.#tables.size < MAX_LOADED_TABLES || this.#changed.size > 0) return;
    this.#tables.clear();
  }

  /** A compressed grain begins with its first sector's number and its compressed length. */
  async #expand(block: number, target: Uint8Array, within: number): Promise<void> {
    const offset = (await this.find(block)) as number;
    const marker = new Uint8Array(GRAIN_MARKER_BYTES);
    await this.#file.read(offset, marker);
    const length = new DataView(marker.buffer).getUint32(8, true);
    if (length > 2 * this.blockBytes) throw new ImageInvalid(this.#file.name, `its grain ${block} is damaged`);
    const packed = new Uint8Array(length);
    await this.#file.read(offset + GRAIN_MARKER_BYTES, packed);
    try {
      const grain = await this.#compression.expand('zlib', packed, this.blockBytes);
      target.fill(0).set(grain.subarray(within, within + target.length));
    } catch (cause) {
      throw Object.assign(new ImageInvalid(this.#file.name, `its grain ${block} is damaged`), { cause });
    }
  }
}
